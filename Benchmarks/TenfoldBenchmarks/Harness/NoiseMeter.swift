// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Tells how many CPUs other processes kept busy during a stretch of time; `nil` where the system doesn't say.
struct NoiseMeter {
  private let busy: Double?
  private let own: Double
  private let start = ContinuousClock.now

  init() {
    busy = Self.machineSeconds()
    own = Self.ownSeconds()
  }

  /// CPUs that others have kept busy since this value was made.
  func othersCPUs() -> Double? {
    guard let busy, let now = Self.machineSeconds() else { return nil }
    let elapsed = max(1e-3, (ContinuousClock.now - start) / .seconds(1))
    return max(0, ((now - busy) - (Self.ownSeconds() - own)) / elapsed)
  }

  private static func ownSeconds() -> Double {
    var usage = rusage()
    #if canImport(Glibc)
    let status = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    #else
    let status = unsafe getrusage(RUSAGE_SELF, &usage)
    #endif
    guard status == 0 else { return 0 }
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }

  /// Busy seconds of all CPUs: every field of the first line but idle and waiting for a disk.
  private static func machineSeconds() -> Double? {
    guard let line = SystemFile.read("/proc/stat")?.split(separator: "\n").first else { return nil }
    let fields = line.split(separator: " ").dropFirst().prefix(8).compactMap { Double($0) }
    guard fields.count == 8 else { return nil }
    let ticks = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    return (fields.reduce(0, +) - fields[3] - fields[4]) / ticks
  }
}

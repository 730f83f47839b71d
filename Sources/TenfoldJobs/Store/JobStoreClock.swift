// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What a store on one machine reads its time from.
///
/// Leases and delays are measured on the monotonic clock (which also counts suspended time), so a wall clock that
/// jumps changes nothing. The wall clock serves only across restarts of the machine, where it tells for how long that was
/// off; ``SQLiteJobStore`` says what becomes of a wrong one.
public struct JobStoreClock: Sendable {
  /// Nanoseconds since the machine started, also counting suspended time.
  public let monotonic: @Sendable () -> Int64
  /// Nanoseconds since 1970.
  public let wall: @Sendable () -> Int64
  /// Differs after each start of the machine.
  public let bootID: @Sendable () -> String

  /// Creates a clock, for tests.
  ///
  /// - Parameters:
  ///   - monotonic: Nanoseconds since the machine started.
  ///   - wall: Nanoseconds since 1970.
  ///   - bootID: Differs after each start of the machine.
  public init(
    monotonic: @escaping @Sendable () -> Int64,
    wall: @escaping @Sendable () -> Int64,
    bootID: @escaping @Sendable () -> String
  ) {
    self.monotonic = monotonic
    self.wall = wall
    self.bootID = bootID
  }

  /// The machine's clocks.
  public static let system = Self(
    monotonic: { nanoseconds(of: bootClock) },
    wall: { nanoseconds(of: CLOCK_REALTIME) },
    bootID: { systemBootID }
  )

  #if canImport(Darwin)
  // On Apple systems CLOCK_MONOTONIC counts suspended time; on Linux that is CLOCK_BOOTTIME.
  private static let bootClock = CLOCK_MONOTONIC
  #else
  private static let bootClock = CLOCK_BOOTTIME
  #endif

  private static func nanoseconds(of clock: clockid_t) -> Int64 {
    var time = timespec()
    unsafe clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  private static let systemBootID: String = {
    var buffer = [CChar](repeating: 0, count: 64)
    #if canImport(Darwin)
    var size = buffer.count
    guard unsafe sysctlbyname("kern.bootsessionuuid", &buffer, &size, nil, 0) == 0 else { return "unknown" }
    #else
    let file = unsafe open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "unknown" }
    defer { close(file) }
    guard unsafe read(file, &buffer, buffer.count - 1) > 0 else { return "unknown" }
    #endif
    return String(decoding: buffer.prefix { $0 > 0x20 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }()
}

extension Duration {
  /// Whole nanoseconds, clamped to what 64 bits hold.
  var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflowed ? (seconds < 0 ? .min : .max) : sum
  }
}

extension Int64 {
  /// The sum, clamped: a row that is damaged must not stop the process.
  func clampedSum(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? .min : .max) : sum
  }

  /// The difference, clamped as the sum is.
  func clampedDifference(_ other: Int64) -> Int64 {
    let (difference, overflow) = subtractingReportingOverflow(other)
    return overflow ? (other > 0 ? .min : .max) : difference
  }

  /// The instant `duration` later, clamped: a delay of a thousand years is simply very late.
  func advanced(by duration: Duration) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(duration.nanoseconds)
    return overflow ? (duration < .zero ? .min : .max) : sum
  }
}

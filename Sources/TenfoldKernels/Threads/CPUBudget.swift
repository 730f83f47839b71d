// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// How many CPUs this process may use: the least of the machine's, its affinity's and its control group's quota.
///
/// ```swift
/// print(CPUBudget.current.description)
/// ```
public struct CPUBudget: Sendable, CustomStringConvertible {
  /// CPUs that the scheduler may put this process on.
  public let cpus: Int
  /// CPU-seconds per second that the control group allows, where it sets a limit.
  public let quota: Double?

  /// The budget of this process, read once.
  public static let current = CPUBudget(cpus: schedulableCPUs(), quota: controlGroupQuota())

  init(cpus: Int, quota: Double?) {
    self.cpus = cpus
    self.quota = quota
  }

  /// Threads that can run at once; a broken quota never gives less than one.
  public var threads: Int {
    guard let quota, quota > 0 else { return max(1, cpus) }
    return max(1, min(cpus, Int(min(quota, 65_536).rounded(.up))))
  }

  /// For people.
  public var description: String {
    "\(threads) threads: \(cpus) CPUs, " + (quota.map { "quota \($0)" } ?? "no quota")
  }

  private static func schedulableCPUs() -> Int {
    #if os(Linux)
    // The C library hides sched_getaffinity from Swift; the kernel prints the same mask.
    if let status = readSmallFile("/proc/self/status"),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed_list:") })
    {
      let count = countCPUs(in: line.dropFirst("Cpus_allowed_list:".count))
      if count > 0 { return count }
    }
    #endif
    return max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  /// Counts a list such as `0-3,8`; 0 when it makes no sense.
  static func countCPUs(in list: Substring) -> Int {
    var count = 0
    for part in list.split(separator: ",") {
      let ends = part.split(separator: "-").compactMap { Int($0.filter(\.isNumber)) }
      guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 20 else { return 0 }
      count += last - first + 1
    }
    return count
  }

  private static func controlGroupQuota() -> Double? {
    #if os(Linux)
    var least: Double?
    for path in quotaFiles() {
      guard let text = readSmallFile(path), let value = parse(text) else { continue }
      least = min(least ?? value, value)
    }
    if least == nil, let quota = readSmallFile("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").flatMap(firstNumber),
      let period = readSmallFile("/sys/fs/cgroup/cpu/cpu.cfs_period_us").flatMap(firstNumber), quota > 0,
      period > 0
    {
      return quota / period
    }
    return least
    #else
    return nil
    #endif
  }

  /// `cpu.max` of this process's group and of all groups above it.
  private static func quotaFiles() -> [String] {
    var files = ["/sys/fs/cgroup/cpu.max"]
    guard let groups = readSmallFile("/proc/self/cgroup") else { return files }
    for line in groups.split(separator: "\n") where line.hasPrefix("0::") {
      var path = "/sys/fs/cgroup"
      for part in line.dropFirst(3).split(separator: "/") where part != ".." {
        path += "/" + part
        files.append(path + "/cpu.max")
      }
    }
    return files
  }

  /// Reads `"<quota> <period>"`; `"max <period>"` means no limit.
  static func parse(_ text: String) -> Double? {
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let quota = Double(parts[0]), let period = Double(parts[1]), quota > 0, period > 0
    else {
      return nil
    }
    return quota / period
  }

  private static func firstNumber(_ text: String) -> Double? {
    text.split(whereSeparator: \.isWhitespace).first.flatMap { Double($0) }
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// What of the caches one CPU can count on, in bytes; blocking goes by it.
struct CacheSizes: Hashable, Sendable, CustomStringConvertible {
  /// The first-level cache for data.
  let level1: Int
  /// The CPU's share of the second-level cache.
  let level2: Int

  /// The sizes of this machine, read once; 32 KB and 512 KB where it doesn't tell.
  static let current = CacheSizes(level1: size(level: 1), level2: size(level: 2))

  /// Keeps sizes within what a processor may have; outside, or unknown, stands for the usual size.
  init(level1: Int?, level2: Int?) {
    self.level1 = level1.flatMap { (8 << 10...1 << 20).contains($0) ? $0 : nil } ?? 32 << 10
    self.level2 = level2.flatMap { (64 << 10...64 << 20).contains($0) ? $0 : nil } ?? 512 << 10
  }

  var description: String { "\(level1 >> 10) KB and \(level2 >> 10) KB of cache" }

  #if canImport(Darwin)
  private static func size(level: Int) -> Int? {
    // The performance cores' caches; older systems and x86-64 know the names without a level of performance.
    guard level > 1 else { return value("hw.perflevel0.l1dcachesize") ?? value("hw.l1dcachesize") }
    guard let shared = value("hw.perflevel0.l2cachesize") else { return value("hw.l2cachesize") }
    return shared / max(1, value("hw.perflevel0.cpusperl2") ?? 1)
  }

  private static func value(_ name: String) -> Int? {
    var number: Int64 = 0
    var size = MemoryLayout<Int64>.size
    let code = unsafe sysctlbyname(name, &number, &size, nil, 0)
    // Some of these are 4 bytes long; the rest stays zero on these little-endian machines.
    return code == 0 && number > 0 ? Int(number) : nil
  }
  #else
  private static func size(level: Int) -> Int? {
    for index in 0..<8 {
      let folder = "/sys/devices/system/cpu/cpu0/cache/index\(index)/"
      guard let text = readSmallFile(folder + "level"), Int(text.trimmed) == level,
        readSmallFile(folder + "type")?.trimmed != "Instruction",
        let size = readSmallFile(folder + "size").flatMap({ parse($0) })
      else { continue }
      let sharers = readSmallFile(folder + "shared_cpu_list").map { CPUBudget.countCPUs(in: $0[...]) } ?? 1
      return level == 1 ? size : size / max(1, sharers)
    }
    #if canImport(Glibc) && arch(x86_64)
    // Where a container hides that, the C library asks the processor.
    let size = sysconf(Int32(level == 1 ? _SC_LEVEL1_DCACHE_SIZE : _SC_LEVEL2_CACHE_SIZE))
    return size > 0 ? size : nil
    #else
    return nil
    #endif
  }
  #endif

  /// Reads a size such as `512K` or `2M`.
  static func parse(_ text: String) -> Int? {
    let digits = text.trimmed.prefix(while: \.isNumber)
    guard let number = Int(digits), number > 0, number < 1 << 32 else { return nil }
    switch text.trimmed.dropFirst(digits.count) {
    case "": return number
    case "K": return number << 10
    case "M": return number << 20
    default: return nil
    }
  }
}

extension String {
  /// Without white space at both ends.
  fileprivate var trimmed: Substring {
    let start = drop(while: \.isWhitespace)
    guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return start }
    return start[...end]
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// The machine and the build that figures were taken with.
struct BenchmarkEnvironment: Encodable, CustomStringConvertible {
  var suite = "environment"
  var cpu: String
  var caches: String
  var isa: String
  var isaReason: String
  var cpuBudget: String
  var blas: String
  var memory: String
  var os: String
  var build: String
  var othersCPUs: Double?

  init() {
    let meter = NoiseMeter()
    cpu = SystemFile.value("model name", in: "/proc/cpuinfo") ?? "unknown"
    caches = Self.cacheSizes()
    isa = InstructionSet.current.name
    isaReason = InstructionSet.current.explanation
    cpuBudget = CPUBudget.current.description
    blas = Self.loadedBLAS()
    memory =
      SystemFile.value("MemTotal", in: "/proc/meminfo")
      ?? "\(ProcessInfo.processInfo.physicalMemory / 1024) kB"
    os = ProcessInfo.processInfo.operatingSystemVersionString
    #if DEBUG
    build = "debug: figures mean nothing, use -c release"
    #else
    build = "release"
    #endif
    // The system counts in hundredths of a second.
    Thread.sleep(forTimeInterval: 0.25)
    othersCPUs = meter.othersCPUs()
  }

  var description: String {
    """
    CPU       \(cpu)
    caches    \(caches)
    kernels   \(isaReason)
    threads   \(cpuBudget)
    BLAS      \(blas)
    memory    \(memory)
    system    \(os)
    build     \(build)
    others    \(othersCPUs.map { BenchmarkReport.short($0) + " CPUs busy" } ?? "unknown")
    """
  }

  private static func cacheSizes() -> String {
    let parts = (0..<8).compactMap { index -> String? in
      let folder = "/sys/devices/system/cpu/cpu0/cache/index\(index)/"
      guard let level = SystemFile.trimmed(folder + "level"), let size = SystemFile.trimmed(folder + "size"),
        let type = SystemFile.trimmed(folder + "type")
      else { return nil }
      return "L\(level) \(type.lowercased()) \(size)"
    }
    return parts.isEmpty ? "unknown" : parts.joined(separator: ", ")
  }

  /// The library behind the BLAS symbols, from this process's memory map.
  private static func loadedBLAS() -> String {
    #if canImport(Darwin)
    return "Accelerate"
    #else
    let names = (SystemFile.read("/proc/self/maps") ?? "").split(separator: "\n")
      .compactMap { line in line.split(separator: " ").last.map(String.init) }
      .filter { $0.contains("blas") && $0.hasPrefix("/") }
    return Set(names).sorted().first ?? "not loaded"
    #endif
  }
}

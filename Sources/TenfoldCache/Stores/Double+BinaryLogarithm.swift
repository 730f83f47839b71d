// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension Double {
  static func log2(_ x: Double) -> Double {
    #if canImport(Glibc)
    Glibc.log2(x)
    #elseif canImport(Musl)
    Musl.log2(x)
    #else
    Darwin.log2(x)
    #endif
  }

  static func exp2(_ x: Double) -> Double {
    #if canImport(Glibc)
    Glibc.exp2(x)
    #elseif canImport(Musl)
    Musl.exp2(x)
    #else
    Darwin.exp2(x)
    #endif
  }

  static func log2Ratio(_ a: Int, _ b: Int) -> Double { log2(Double(max(1, a)) / Double(max(1, b))) }
}

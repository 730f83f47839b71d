// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The C library's functions, under names that do not collide with the modules that hold them.
enum ExactFunctions {
  static func exp(_ x: Double) -> Double { platformExp(x) }
  static func erf(_ x: Double) -> Double { platformErf(x) }
}

private func platformExp(_ x: Double) -> Double { exp(x) }
private func platformErf(_ x: Double) -> Double { erf(x) }

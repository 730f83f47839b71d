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
  /// log2 of this number.
  var binaryLogarithm: Double { log2(self) }
  /// e to the power of this number.
  var exponential: Double { exp(self) }
  /// ln of this number.
  var naturalLogarithm: Double { log(self) }
}

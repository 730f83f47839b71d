// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension String {
  /// Whether both are the same bytes, which is how databases compare.
  ///
  /// `==` also holds for another spelling of the same characters, as “é” in one code point and in two. Equal bytes give
  /// equal hashes, so a type that compares with this can leave its hash to the string.
  package func hasSameBytes(as other: String) -> Bool {
    // The first comparison is quick, and tells most that differ.
    self == other && utf8.elementsEqual(other.utf8)
  }
}

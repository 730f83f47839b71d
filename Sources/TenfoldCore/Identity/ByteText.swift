// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A text that is compared by its bytes, as databases do, so that all parts tell the same ones apart.
package struct ByteText: Hashable, Sendable {
  /// The text.
  package let text: String

  /// Takes a text as it is.
  package init(_ text: String) { self.text = text }

  package static func == (left: Self, right: Self) -> Bool { left.text.hasSameBytes(as: right.text) }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Why a section file could not be written or read.
package struct SectionFileError: Error, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  package enum Kind: Sendable, Equatable {
    /// The bytes are not what was written.
    case corrupt
    /// A newer version wrote the file.
    case futureFormat
    /// No room left.
    case storageFull
    /// There is no such file.
    case missing
    /// Any other failure of the system.
    case inputOutput
  }

  /// What kind of failure this is.
  package let kind: Kind
  /// What happened and what to do.
  package let message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }
}

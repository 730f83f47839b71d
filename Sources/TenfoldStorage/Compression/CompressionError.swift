// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

package import TenfoldCore

/// What went wrong while decompressing, and what to do about it.
///
/// Compare `code`, never the text of `message`.
package struct CompressionError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  package struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the code, as printed.
    package let description: String

    private init(_ description: String) { self.description = description }

    /// The bytes are not a valid compressed stream, or their checksum is wrong.
    package static let damaged = Self("damaged")
    /// The compressed stream ends in the middle.
    package static let truncated = Self("truncated")
    /// The decompressed bytes would pass the caller's limit.
    package static let tooLarge = Self("tooLarge")
    /// The file could not be opened or read.
    package static let inputOutput = Self("inputOutput")
    /// zlib could not get the memory it needs.
    package static let outOfMemory = Self("outOfMemory")
  }

  /// The code, the message, and where the error was thrown.
  package let details: ErrorDetails<Code>

  /// Creates an error from its details.
  package init(_ details: ErrorDetails<Code>) { self.details = details }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What went wrong while decompressing, and what to do about it.
///
/// Compare ``code``, never the text of ``message``.
package struct CompressionError: Error, Sendable, CustomStringConvertible {
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

  /// What kind of failure this is.
  package let code: Code
  /// What happened, where, and what to do, for people.
  package let message: String
  /// The error that caused this one, where there was one.
  package let underlying: (any Error)?
  /// The source file that threw.
  package let file: String
  /// The line that threw.
  package let line: Int

  /// Creates an error that remembers where it was thrown.
  package init(
    _ code: Code,
    _ message: String,
    underlying: (any Error)? = nil,
    file: String = #fileID,
    line: Int = #line
  ) {
    self.code = code
    self.message = message
    self.underlying = underlying
    self.file = file
    self.line = line
  }

  /// The code and the message.
  package var description: String { "CompressionError.\(code): \(message)" }
}

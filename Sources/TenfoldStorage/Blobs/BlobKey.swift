// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The name of a blob: 1…200 characters of `a–z A–Z 0–9 . _ -`, not beginning with a dot.
///
/// The narrow alphabet makes a key safe in a file name everywhere: it can't leave its folder. Keys that differ only in case
/// are different; ``FileBlobStore`` sees to that where a file system doesn't.
public struct BlobKey: Hashable, Sendable, CustomStringConvertible {
  /// The key as text.
  public let rawValue: String

  /// Creates a key.
  ///
  /// - Parameter rawValue: The key as text.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/invalidOption`` for any other text.
  public init(_ rawValue: String) throws(StorageError) {
    let isValid =
      (1...200).contains(rawValue.utf8.count) && rawValue.utf8.first != UInt8(ascii: ".")
      && rawValue.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
    guard isValid else {
      throw StorageError(
        .invalidOption,
        "a blob's key is 1 to 200 letters, digits, dots, underscores and hyphens and begins with no dot"
      )
    }
    self.rawValue = rawValue
  }

  /// The key as text.
  public var description: String { rawValue }
}

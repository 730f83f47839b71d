// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One file of a model: its name, what its bytes must be, and where they can be had.
public struct ModelFileDescription: Hashable, Sendable, Codable {
  /// The file's name inside the model's folder.
  public let name: String
  /// The exact size in bytes; `nil` when only the hash is known.
  public let size: UInt64?
  /// The SHA-256 of the contents, 64 lower-case hexadecimal digits.
  public let sha256: String
  /// Where the bytes can be had, in the order to try.
  public var sources: [ModelSource]

  /// Describes a file.
  ///
  /// - Parameters:
  ///   - name: The file's name inside the model's folder.
  ///   - size: The exact size in bytes, where it is known.
  ///   - sha256: 64 hexadecimal digits.
  ///   - sources: Where the bytes can be had, in the order to try.
  public init(name: String, size: UInt64?, sha256: String, sources: [ModelSource]) {
    self.name = name
    self.size = size
    self.sha256 = sha256.lowercased()
    self.sources = sources
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A job's identifier that knows the job's type, and so the type of its output.
public struct JobID<Work: DurableJob>: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The identifier without its type.
  public let raw: RawJobID

  /// Makes a new identifier.
  public init() { raw = RawJobID() }

  /// Gives an identifier from the store its type.
  public init(_ raw: RawJobID) { self.raw = raw }

  /// 32 hexadecimal digits.
  public var description: String { raw.description }
}

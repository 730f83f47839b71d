// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A technique of the pipeline that can be switched off.
public struct PipelineTechnique: Hashable, Sendable, Codable, CaseIterable, CustomStringConvertible {
  /// The technique's name on command lines and in reports.
  public let rawValue: String

  private init(_ rawValue: String) { self.rawValue = rawValue }

  /// The technique with the given name, or `nil`.
  public init?(named name: String) {
    guard let match = Self.allCases.first(where: { $0.rawValue == name }) else { return nil }
    self = match
  }

  /// Limits, budgets and shedding at the door.
  public static let admission = Self("admission")
  /// One computation for equal requests in flight.
  public static let coalescing = Self("coalescing")
  /// Stored answers to the very same request.
  public static let exactCache = Self("exact-cache")
  /// Stored answers to requests of the same meaning.
  public static let semanticCache = Self("semantic-cache")
  /// Passages found for the question.
  public static let retrieval = Self("retrieval")

  /// Every technique, in the order of the layers.
  public static let allCases: [Self] = [.admission, .coalescing, .exactCache, .semanticCache, .retrieval]

  /// The name.
  public var description: String { rawValue }
}

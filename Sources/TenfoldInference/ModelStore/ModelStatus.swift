// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A model that the store knows, and how much of it is here.
public struct ModelStatus: Hashable, Sendable, Identifiable {
  /// The model's entry in the manifest.
  public let model: ModelDescription
  /// The path of each file that is here with the right size (its hash is checked when it is opened).
  public let present: [String: String]

  /// The model's id.
  public var id: String { model.id }
  /// Whether all files are here.
  public var isComplete: Bool { model.files.allSatisfy { present[$0.name] != nil } }
}

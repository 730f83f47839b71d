// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A model that a store can keep: its files, licence and sources.
public struct ModelDescription: Hashable, Sendable, Codable, Identifiable {
  /// The model's name, which is also the name of its folder.
  public let id: String
  /// The SPDX name of the licence.
  public let licence: String
  /// The files that make up the model.
  public var files: [ModelFileDescription]

  /// Describes a model.
  public init(id: String, licence: String, files: [ModelFileDescription]) {
    self.id = id
    self.licence = licence
    self.files = files
  }

  /// The size of all files whose size is known, in bytes.
  public var size: UInt64 {
    files.reduce(0) { total, file in
      let (sum, overflow) = total.addingReportingOverflow(file.size ?? 0)
      return overflow ? .max : sum
    }
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The models that a store knows.
///
/// ```swift
/// let manifest = ModelManifest.builtIn
/// print(manifest["all-MiniLM-L6-v2"]?.licence ?? "unknown")   // Apache-2.0
/// ```
public struct ModelManifest: Hashable, Sendable, Codable {
  /// The models, in the order they are listed.
  public var models: [ModelDescription]

  /// Makes a manifest of the given models.
  public init(models: [ModelDescription] = []) { self.models = models }

  /// The model with the given id, if the manifest has it.
  public subscript(id: String) -> ModelDescription? { models.first { $0.id == id } }

  /// This manifest with a host's own entries.
  ///
  /// A file of the same name and hash gets the host's sources in front of its own; other files and models are added.
  ///
  /// - Parameter own: What the host added.
  /// - Returns: Both together.
  public func merging(_ own: ModelManifest) -> ModelManifest {
    var result = self
    for model in own.models {
      guard let index = result.models.firstIndex(where: { $0.id == model.id }) else {
        result.models.append(model)
        continue
      }
      for file in model.files {
        let known = result.models[index].files.firstIndex { $0.name == file.name }
        guard let known else {
          result.models[index].files.append(file)
          continue
        }
        // A pinned hash can't be replaced by an entry of the same name.
        guard result.models[index].files[known].sha256 == file.sha256 else { continue }
        let others = result.models[index].files[known].sources.filter { !file.sources.contains($0) }
        result.models[index].files[known].sources = file.sources + others
      }
    }
    return result
  }

  /// Refuses names that could leave the store's folders and hashes that are none.
  ///
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidOption``.
  func validate() throws(ModelError) {
    for model in models {
      try Self.validate(name: model.id, what: "model id")
      for file in model.files {
        try Self.validate(name: file.name, what: "file name")
        try Self.validate(sha256: file.sha256)
      }
    }
  }

  /// Refuses a name that isn't a plain path component.
  static func validate(name: String, what: String) throws(ModelError) {
    let allowed = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
        UInt8(ascii: "+"):
        true
      default: false
      }
    }
    guard allowed, !name.isEmpty, name.utf8.count <= 128, !name.hasPrefix(".") else {
      throw ModelError(
        .invalidOption,
        "the \(what) \(name.debugDescription) can't be used: take 1 to 128 of a-z, A-Z, 0-9, '.', '_', '-', '+',"
          + " not starting with a dot"
      )
    }
  }

  /// Refuses what isn't a SHA-256 in lower-case hexadecimal.
  static func validate(sha256: String) throws(ModelError) {
    let digits = sha256.utf8.allSatisfy {
      ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9"))
        || ($0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "f"))
    }
    guard digits, sha256.utf8.count == 64 else {
      throw ModelError(
        .invalidOption,
        "\(sha256.debugDescription) is not a SHA-256: it has 64 hexadecimal digits"
      )
    }
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The files of a model, verified and ready to be opened.
public struct ModelFiles: Hashable, Sendable {
  /// The model's id.
  public let id: String
  /// The path of each file, by name.
  public let paths: [String: String]

  /// Names a model's files.
  public init(id: String, paths: [String: String]) {
    self.id = id
    self.paths = paths
  }

  /// The path of the file with a name.
  ///
  /// - Parameter name: The file's name in the manifest.
  /// - Returns: An absolute path.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing`` if the model has no such file.
  public func path(of name: String) throws(ModelError) -> String {
    guard let path = paths[name] else {
      throw ModelError(
        .missing,
        "\(id) has no file \(name); it has \(paths.keys.sorted().joined(separator: ", "))"
      )
    }
    return path
  }
}

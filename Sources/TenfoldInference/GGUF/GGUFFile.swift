// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A GGUF model file (versions 2 and 3), mapped and checked: metadata and tensors.
///
/// Opening reads only the header. Every count, length, shape and offset is checked against the file's size
/// before it is used, so a truncated or hostile file gives a typed error, quickly and without large
/// allocations.
///
/// ```swift
/// let file = try GGUFFile(path: "/models/model.gguf")
/// let name = file.metadata["general.name"]?.string
/// let embedding = try file.tensor(named: "token_embd.weight")
/// print(embedding.type, embedding.dimensions)
/// ```
public struct GGUFFile: Sendable {
  /// The format version the file declares: 2 or 3.
  public let version: Int
  /// The key-value section.
  public let metadata: GGUFMetadata
  /// All tensors in file order.
  public let tensors: [GGUFTensor]
  /// The multiple of bytes at which tensors start.
  public let alignment: Int
  /// The mapped file.
  public let mappedFile: MappedFile
  private let indexByName: [String: Int]

  /// Maps and reads the file at `path`.
  ///
  /// - Parameter path: A GGUF file.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput``, ``ModelError/Code/truncated``,
  ///   ``ModelError/Code/invalidHeader``, ``ModelError/Code/invalidTensor`` or ``ModelError/Code/unsupported``.
  public init(path: String) throws(ModelError) {
    try self.init(MappedFile(path: path))
  }

  /// Reads an already mapped file.
  ///
  /// - Parameter mappedFile: The mapped GGUF file.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/truncated``, ``ModelError/Code/invalidHeader``,
  ///   ``ModelError/Code/invalidTensor`` or ``ModelError/Code/unsupported``.
  public init(_ mappedFile: MappedFile) throws(ModelError) {
    var parser = GGUFParser(file: mappedFile)
    let header = try parser.parse()
    self.version = header.version
    self.metadata = GGUFMetadata(values: header.values)
    self.tensors = header.tensors
    self.alignment = header.alignment
    self.mappedFile = mappedFile
    self.indexByName = header.indexByName
  }

  /// Finds a tensor by its name.
  ///
  /// - Parameter name: The full name, such as `blk.0.attn_q.weight`.
  /// - Returns: The tensor.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing``.
  public func tensor(named name: String) throws(ModelError) -> GGUFTensor {
    guard let index = indexByName[name] else {
      throw ModelError(
        .missing,
        "\(mappedFile.path) has no tensor \(name); it is not a complete model of this kind."
      )
    }
    return tensors[index]
  }

  /// The bytes before the first tensor: what the file says of itself.
  var headLength: Int { tensors.map(\.fileOffset).min() ?? mappedFile.count }

  /// Whether the file holds a tensor of that name.
  ///
  /// - Parameter name: The full name.
  /// - Returns: `true` if ``tensor(named:)`` would return it.
  public func hasTensor(named name: String) -> Bool { indexByName[name] != nil }
}

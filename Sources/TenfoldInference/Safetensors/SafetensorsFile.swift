// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A safetensors file, mapped and checked: named tensors and free-form metadata.
///
/// The header is read by a small parser that knows only this format: names must be unique, and shapes, types
/// and offsets must agree with each other and with the file's size, without overlaps or gaps.
///
/// ```swift
/// let file = try SafetensorsFile(path: "/models/model.safetensors")
/// let weights = try file.tensor(named: "pooler.dense.weight").floats()
/// ```
public struct SafetensorsFile: Sendable {
  /// What reading all values found.
  public struct Verification: Hashable, Sendable {
    /// How many values of each tensor are not numbers; tensors without any are left out.
    public let nanCounts: [String: Int]

    /// How many values in all are not numbers.
    public var nanCount: Int { nanCounts.values.reduce(0, +) }
  }

  /// All tensors in the order of their place in the file.
  public let tensors: [SafetensorsTensor]
  /// The `__metadata__` entries.
  public let metadata: [String: String]
  /// The mapped file.
  public let mappedFile: MappedFile
  private let indexByName: [String: Int]

  /// Maps and reads the file at `path`.
  ///
  /// - Parameter path: A safetensors file.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput``, ``ModelError/Code/truncated``,
  ///   ``ModelError/Code/invalidHeader``, ``ModelError/Code/invalidTensor`` or ``ModelError/Code/unsupported``.
  public init(path: String) throws(ModelError) {
    try self.init(MappedFile(path: path))
  }

  /// Reads an already mapped file.
  ///
  /// - Parameter mappedFile: The mapped safetensors file.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/truncated``, ``ModelError/Code/invalidHeader``,
  ///   ``ModelError/Code/invalidTensor`` or ``ModelError/Code/unsupported``.
  public init(_ mappedFile: MappedFile) throws(ModelError) {
    let header = try SafetensorsHeader(mappedFile)
    self.mappedFile = mappedFile
    self.metadata = header.metadata
    self.tensors = header.tensors
    var index: [String: Int] = [:]
    for (number, tensor) in header.tensors.enumerated() { index[tensor.name] = number }
    self.indexByName = index
  }

  /// Finds a tensor by its name.
  ///
  /// - Parameter name: The full name.
  /// - Returns: The tensor.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/missing``.
  public func tensor(named name: String) throws(ModelError) -> SafetensorsTensor {
    guard let index = indexByName[name] else {
      throw ModelError(
        .missing,
        "\(mappedFile.path) has no tensor \(name); it is not a complete model of this kind."
      )
    }
    return tensors[index]
  }

  /// Reads all values and counts those that are not numbers.
  ///
  /// - Returns: The counts by tensor.
  /// - Complexity: O(size of the file); blocks the caller for the time of reading it.
  public func verify() -> Verification {
    var counts: [String: Int] = [:]
    for tensor in tensors {
      let count = tensor.nanCount
      if count > 0 { counts[tensor.name] = count }
    }
    return Verification(nanCounts: counts)
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The parsed and checked header of a safetensors file: eight bytes of length, then JSON of a fixed shape.
struct SafetensorsHeader {
  /// Longer headers are refused; the format's own limit.
  static let maximumByteCount = 100_000_000

  private(set) var tensors: [SafetensorsTensor] = []
  private(set) var metadata: [String: String] = [:]

  init(_ file: MappedFile) throws(ModelError) {
    guard file.count >= 8 else {
      throw ModelError(
        .truncated,
        "\(file.path) has \(file.count) bytes, but its header length needs 8 at offset 0. Fetch it again."
      )
    }
    let raw = file.withBytes { $0.littleEndianUInt64(at: 0) }
    guard raw <= UInt64(Self.maximumByteCount) else {
      throw ModelError(
        .invalidHeader,
        "\(file.path): the header length is \(raw); at most \(Self.maximumByteCount) is valid."
      )
    }
    let length = Int(raw)
    guard length <= file.count - 8 else {
      throw ModelError(
        .truncated,
        "\(file.path) ends at byte \(file.count), but its header needs \(length) bytes at offset 8. Fetch it again."
      )
    }
    // The range was checked just above; the bytes are copied.
    let bytes = unsafe file.withUnsafeBytes { unsafe Array($0[8..<8 + length]) }
    var json = SafetensorsJSON(bytes: bytes, path: file.path)
    var names: Set<String> = []
    try json.object { (json, name) throws(ModelError) in
      guard names.insert(name).inserted else {
        throw ModelError(.invalidTensor, "\(file.path): tensor \(name) occurs twice. Fetch the file again.")
      }
      if name == "__metadata__" {
        try json.object { (json, key) throws(ModelError) in metadata[key] = try json.string() }
      } else {
        tensors.append(try Self.tensor(name, &json, dataStart: 8 + length, file))
      }
    }
    try json.end()
    try checkPlaces(file, dataStart: 8 + length)
  }

  private static func tensor(
    _ name: String,
    _ json: inout SafetensorsJSON,
    dataStart: Int,
    _ file: MappedFile
  ) throws(ModelError) -> SafetensorsTensor {
    func invalid(_ reason: String) -> ModelError {
      ModelError(.invalidTensor, "\(file.path): tensor \(name) is invalid: \(reason). Fetch the file again.")
    }
    var typeName: String?
    var shape: [Int]?
    var offsets: [Int]?
    try json.object { (json, key) throws(ModelError) in
      switch key {
      case "dtype" where typeName == nil: typeName = try json.string()
      case "shape" where shape == nil: shape = try json.integers(limit: 16)
      case "data_offsets" where offsets == nil: offsets = try json.integers(limit: 2)
      default: throw invalid("the field \(key) is unknown or occurs twice")
      }
    }
    guard let typeName, let shape, let offsets, offsets.count == 2 else {
      throw invalid("it lacks dtype, shape or data_offsets")
    }
    guard let type = SafetensorsType(name: typeName) else {
      let names = SafetensorsType.supported.map(\.description).joined(separator: ", ")
      throw ModelError(
        .unsupported,
        "\(file.path): tensor \(name) has dtype \(typeName), which is not supported; convert it to one of \(names)."
      )
    }
    var byteCount = type.byteCount
    for extent in shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw invalid("its size overflows") }
      byteCount = product
    }
    let (start, end) = (offsets[0], offsets[1])
    guard start <= end else { throw invalid("its offsets \(start)...\(end) are reversed") }
    guard end - start == byteCount else {
      throw invalid("its offsets hold \(end - start) bytes, but its shape and dtype need \(byteCount)")
    }
    guard end <= file.count - dataStart else {
      throw ModelError(
        .truncated,
        """
        \(file.path) ends at byte \(file.count), but tensor \(name) needs \(byteCount) bytes at offset \
        \(dataStart &+ start). Fetch the file again.
        """
      )
    }
    return SafetensorsTensor(
      name: name,
      type: type,
      shape: shape,
      fileOffset: dataStart + start,
      byteCount: byteCount,
      file: file
    )
  }

  private mutating func checkPlaces(_ file: MappedFile, dataStart: Int) throws(ModelError) {
    tensors.sort { ($0.fileOffset, $0.byteCount) < ($1.fileOffset, $1.byteCount) }
    var end = dataStart
    for tensor in tensors {
      guard tensor.fileOffset == end else {
        let fault = tensor.fileOffset < end ? "overlaps the tensor before it" : "leaves a gap before it"
        throw ModelError(
          .invalidTensor,
          "\(file.path): tensor \(tensor.name) \(fault). Fetch the file again."
        )
      }
      end += tensor.byteCount
    }
    guard end == file.count else {
      throw ModelError(
        .invalidHeader,
        "\(file.path): \(file.count - end) bytes follow the last tensor; no valid file has any. Fetch it again."
      )
    }
  }
}

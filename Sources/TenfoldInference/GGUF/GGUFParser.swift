// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Reads the header of a GGUF file front to back, trusting nothing in it.
///
/// Counts are first compared with the bytes that are left (each entry has a smallest size), and arrays grow as
/// entries are really read, so neither time nor memory depends on a number an attacker wrote.
struct GGUFParser {
  struct Header {
    var version = 0
    var alignment = 32
    var values: [String: GGUFValue] = [:]
    var tensors: [GGUFTensor] = []
    var indexByName: [String: Int] = [:]
  }

  private struct TensorInfo {
    let name: String
    let type: GGUFTensorType
    let dimensions: [Int]
    let offset: Int
    let byteCount: Int
  }

  /// Longer keys and names than this are refused; the format's own limit for keys.
  static let maximumNameLength = 65_535
  /// Arrays in arrays deeper than this are refused; no known model nests at all.
  static let maximumNesting = 4
  /// Larger alignments than this are refused; files in the wild use 32, a page is 4,096 or 16,384.
  static let maximumAlignment = 65_536

  let file: MappedFile
  private var offset = 0

  init(file: MappedFile) { self.file = file }

  mutating func parse() throws(ModelError) -> Header {
    var header = Header()
    let magic = try unsigned(UInt32.self, "the magic number")
    guard magic == 0x4655_4747 else {
      throw invalid("magic number", "0x\(String(magic, radix: 16))", "it is not a GGUF file")
    }
    let version = try unsigned(UInt32.self, "the version")
    guard (2...3).contains(version) else {
      if version.byteSwapped <= 3 {
        throw ModelError(.unsupported, "\(file.path) is a big-endian GGUF file; convert it to little-endian.")
      }
      throw ModelError(
        .unsupported,
        "\(file.path) is GGUF version \(version); versions 2 and 3 are read. Convert the model again."
      )
    }
    header.version = Int(version)
    // A tensor entry takes at least: name length 8, dimension count 4, one extent 8, type 4, offset 8.
    let tensorCount = try count("tensor count", each: 32)
    // A key-value entry takes at least: key length 8, type 4, value 1.
    let valueCount = try count("metadata count", each: 13)
    for _ in 0..<valueCount { try readEntry(into: &header.values) }
    header.alignment = try alignment(header.values["general.alignment"])
    var infos: [TensorInfo] = []
    for _ in 0..<tensorCount { infos.append(try tensorInfo()) }
    try place(infos, in: &header)
    return header
  }

  // MARK: - Metadata

  private mutating func readEntry(into values: inout [String: GGUFValue]) throws(ModelError) {
    let key = try name("a metadata key")
    let kind = try kind(of: key)
    let value = try value(kind, key: key, depth: 0)
    guard values.updateValue(value, forKey: key) == nil else {
      throw invalid("metadata key", key, "it occurs twice")
    }
  }

  private mutating func kind(of key: String) throws(ModelError) -> GGUFValueKind {
    let tag = try unsigned(UInt32.self, "the type of \(key)")
    guard let kind = GGUFValueKind(rawValue: tag) else {
      throw invalid("type of metadata \(key)", "\(tag)", "the format has types 0...12")
    }
    return kind
  }

  private mutating func value(
    _ kind: GGUFValueKind,
    key: String,
    depth: Int
  ) throws(ModelError) -> GGUFValue {
    let storage: GGUFValue.Storage
    switch kind {
    case .uint8: storage = .unsigned(UInt64(try unsigned(UInt8.self, key)))
    case .int8: storage = .signed(Int64(Int8(bitPattern: try unsigned(UInt8.self, key))))
    case .uint16: storage = .unsigned(UInt64(try unsigned(UInt16.self, key)))
    case .int16: storage = .signed(Int64(Int16(bitPattern: try unsigned(UInt16.self, key))))
    case .uint32: storage = .unsigned(UInt64(try unsigned(UInt32.self, key)))
    case .int32: storage = .signed(Int64(Int32(bitPattern: try unsigned(UInt32.self, key))))
    case .float32: storage = .float(Double(Float(bitPattern: try unsigned(UInt32.self, key))))
    case .bool: storage = .bool(try unsigned(UInt8.self, key) != 0)
    case .string: storage = .string(try string(key, limit: .max))
    case .array: storage = try array(key: key, depth: depth)
    case .uint64: storage = .unsigned(try unsigned(UInt64.self, key))
    case .int64: storage = .signed(Int64(bitPattern: try unsigned(UInt64.self, key)))
    case .float64: storage = .float(Double(bitPattern: try unsigned(UInt64.self, key)))
    }
    return GGUFValue(storage: storage)
  }

  private mutating func array(key: String, depth: Int) throws(ModelError) -> GGUFValue.Storage {
    guard depth < Self.maximumNesting else {
      throw invalid("metadata \(key)", "arrays \(depth + 1) deep", "at most \(Self.maximumNesting) are read")
    }
    let element = try kind(of: key)
    let count = try count("element count of \(key)", each: element.minimumByteCount)
    let start = offset
    switch element {
    case .string:
      for _ in 0..<count { try skip(length(key), key) }
      return .strings(GGUFStringArray(count: count, byteCount: offset - start, file: file, fileOffset: start))
    case .array:
      var values: [GGUFValue] = []
      for _ in 0..<count { values.append(try value(.array, key: key, depth: depth + 1)) }
      return .array(values)
    default:
      offset += count * element.minimumByteCount  // `count` was checked against the bytes that are left
      return .numbers(GGUFNumberArray(kind: element, count: count, fileOffset: start, file: file))
    }
  }

  private func alignment(_ value: GGUFValue?) throws(ModelError) -> Int {
    guard let value else { return 32 }
    guard let number = value.uint, number > 0, number <= UInt64(Self.maximumAlignment),
      number.nonzeroBitCount == 1
    else {
      let found = value.uint.map(String.init) ?? "not a number"
      throw invalid("general.alignment", found, "it must be a power of two up to \(Self.maximumAlignment)")
    }
    return Int(number)
  }

  // MARK: - Tensors

  private mutating func tensorInfo() throws(ModelError) -> TensorInfo {
    let name = try name("a tensor name")
    let rank = try unsigned(UInt32.self, "the rank of tensor \(name)")
    guard (1...4).contains(rank) else { throw invalidTensor(name, "it has \(rank) dimensions, not 1 to 4") }
    var dimensions: [Int] = []
    var elements = 1
    for _ in 0..<rank {
      let raw = try unsigned(UInt64.self, "the shape of tensor \(name)")
      guard raw > 0, let extent = Int(exactly: raw) else {
        throw invalidTensor(name, "the extent \(raw) is out of range")
      }
      let (product, overflow) = elements.multipliedReportingOverflow(by: extent)
      guard !overflow else { throw invalidTensor(name, "its number of elements overflows") }
      elements = product
      dimensions.append(extent)
    }
    let tag = try unsigned(UInt32.self, "the type of tensor \(name)")
    let type: GGUFTensorType
    do { type = try GGUFTensorType(rawValue: tag) } catch {
      throw ModelError(error.code, "Tensor \(name) of \(file.path): \(error.message)")
    }
    guard dimensions[0].isMultiple(of: type.elementsPerBlock),
      let byteCount = type.bytes(forElements: elements)
    else {
      throw invalidTensor(name, "rows of \(dimensions[0]) elements do not fit blocks of \(type)")
    }
    let raw = try unsigned(UInt64.self, "the offset of tensor \(name)")
    guard let place = Int(exactly: raw) else {
      throw invalidTensor(name, "its offset \(raw) is out of range")
    }
    return TensorInfo(name: name, type: type, dimensions: dimensions, offset: place, byteCount: byteCount)
  }

  private func place(_ infos: [TensorInfo], in header: inout Header) throws(ModelError) {
    let alignment = header.alignment
    // `offset` is at most the file's size and the alignment small, so this cannot overflow.
    let dataStart = (offset + alignment - 1) / alignment * alignment
    for info in infos {
      guard info.offset.isMultiple(of: alignment) else {
        throw invalidTensor(
          info.name,
          "its offset \(info.offset) is no multiple of the alignment \(alignment)"
        )
      }
      let (start, overflow) = dataStart.addingReportingOverflow(info.offset)
      guard !overflow else { throw invalidTensor(info.name, "its offset \(info.offset) is out of range") }
      guard start <= file.count, info.byteCount <= file.count - start else {
        throw truncated(at: start, needed: info.byteCount, "tensor \(info.name)")
      }
      let tensor = GGUFTensor(
        name: info.name,
        type: info.type,
        dimensions: info.dimensions,
        fileOffset: start,
        byteCount: info.byteCount,
        file: file
      )
      guard header.indexByName.updateValue(header.tensors.count, forKey: info.name) == nil else {
        throw invalidTensor(info.name, "the name occurs twice")
      }
      header.tensors.append(tensor)
    }
    let ordered = header.tensors.sorted { $0.fileOffset < $1.fileOffset }
    for (before, after) in zip(ordered, ordered.dropFirst())
    where before.fileOffset + before.byteCount > after.fileOffset {
      throw invalidTensor(after.name, "it overlaps tensor \(before.name)")
    }
  }

  // MARK: - Primitives

  private mutating func unsigned<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    _ type: T.Type,
    _ what: String
  ) throws(ModelError) -> T {
    let size = MemoryLayout<T>.size
    guard size <= file.count - offset else { throw truncated(at: offset, needed: size, what) }
    let value = file.withBytes { bytes in
      // Integers have no invalid bit patterns; the load is bounds-checked and unaligned.
      unsafe bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: type)
    }
    offset += size
    return T(littleEndian: value)
  }

  /// Reads a count and refuses it at once if the file cannot hold so many entries.
  private mutating func count(_ field: String, each size: Int) throws(ModelError) -> Int {
    let raw = try unsigned(UInt64.self, field)
    guard raw <= UInt64((file.count - offset) / size) else {
      throw invalid(field, "\(raw)", "the file has only \(file.count - offset) bytes left")
    }
    return Int(raw)
  }

  private mutating func length(_ what: String) throws(ModelError) -> Int {
    let raw = try unsigned(UInt64.self, what)  // no text is built here: vocabularies call this 300,000 times
    guard raw <= UInt64(file.count - offset) else {
      throw truncated(at: offset, needed: Int(clamping: raw), what)
    }
    return Int(raw)
  }

  private mutating func skip(_ length: Int, _ what: String) throws(ModelError) {
    guard length <= file.count - offset else { throw truncated(at: offset, needed: length, what) }
    offset += length
  }

  private mutating func name(_ what: String) throws(ModelError) -> String {
    let name = try string(what, limit: Self.maximumNameLength)
    guard !name.isEmpty else { throw invalid(what, "\"\"", "names are not empty") }
    return name
  }

  private mutating func string(_ what: String, limit: Int) throws(ModelError) -> String {
    let length = try length(what)
    guard length <= limit else { throw invalid("length of \(what)", "\(length)", "at most \(limit) is read") }
    let start = offset
    offset += length
    return unsafe file.withUnsafeBytes { bytes in
      // `length` was checked against the bytes that are left.
      unsafe String(decoding: bytes[start..<start + length], as: UTF8.self)
    }
  }

  // MARK: - Errors

  private func truncated(at offset: Int, needed: Int, _ what: String) -> ModelError {
    ModelError(
      .truncated,
      """
      \(file.path) ends at byte \(file.count), but \(what) needs \(needed) bytes at offset \(offset). \
      Fetch the file again.
      """
    )
  }

  private func invalid(_ field: String, _ value: String, _ reason: String) -> ModelError {
    ModelError(.invalidHeader, "\(file.path): \(field) is \(value); \(reason). Fetch the file again.")
  }

  private func invalidTensor(_ name: String, _ reason: String) -> ModelError {
    ModelError(.invalidTensor, "\(file.path): tensor \(name) is invalid: \(reason). Fetch the file again.")
  }
}

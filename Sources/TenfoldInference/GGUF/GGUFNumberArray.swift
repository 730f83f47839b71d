// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A number or truth-value array of a GGUF file's metadata, read from the mapped file on demand.
struct GGUFNumberArray: Sendable {
  let kind: GGUFValueKind
  let count: Int
  let fileOffset: Int
  let file: MappedFile

  func integers() -> [Int]? {
    switch kind {
    case .uint8: map(UInt8.self) { Int($0) }
    case .int8: map(Int8.self) { Int($0) }
    case .bool: map(UInt8.self) { $0 == 0 ? 0 : 1 }
    case .uint16: map(UInt16.self) { Int($0) }
    case .int16: map(Int16.self) { Int($0) }
    case .uint32: map(UInt32.self) { Int($0) }
    case .int32: map(Int32.self) { Int($0) }
    case .uint64: map(UInt64.self) { Int(exactly: $0) }
    case .int64: map(Int64.self) { Int(exactly: $0) }
    default: nil
    }
  }

  func floats() -> [Double]? {
    switch kind {
    case .float32: map(UInt32.self) { Double(Float(bitPattern: $0)) }
    case .float64: map(UInt64.self) { Double(bitPattern: $0) }
    default: integers()?.map(Double.init)
    }
  }

  private func map<Raw: FixedWidthInteger & BitwiseCopyable, Value>(
    _ raw: Raw.Type,
    _ convert: (Raw) -> Value?
  ) -> [Value]? {
    file.withBytes { bytes in
      var result: [Value] = []
      result.reserveCapacity(count)  // count × size was checked against the file's size
      let stride = MemoryLayout<Raw>.size
      for index in 0..<count {
        // Integers have no invalid bit patterns; the load is bounds-checked and unaligned.
        let value = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: fileOffset + index * stride, as: raw)
        guard let converted = convert(Raw(littleEndian: value)) else { return nil }
        result.append(converted)
      }
      return result
    }
  }
}

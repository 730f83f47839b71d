// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

extension ExactVectorIndex {
  private static let magic = "TFVECTOR"
  private static let version: UInt32 = 1

  /// Writes the index to a file, which is replaced as a whole or not at all.
  ///
  /// Blocks the calling thread for the disk; call it from a thread of your own when the index is large. Changes made
  /// meanwhile are not in the file.
  ///
  /// - Parameter path: The file; on disk when this returns.
  /// - Throws: ``VectorIndexError`` with codes ``VectorIndexError/Code/storageFull`` or
  ///   ``VectorIndexError/Code/inputOutput``; then the file is as it was.
  public func save(to path: String) throws(VectorIndexError) {
    let (rows, epoch) = state.withLock { ($0.rows, $0.epoch) }
    var header = ByteWriter()
    header.write(profile.id)
    header.write(profile.revision)
    header.write(UInt32(profile.dimension))
    header.write(UInt64(clamping: profile.maxTokens))
    header.write(options.rowFormat.description)
    header.write(UInt64(rows.count))
    header.write(epoch)
    var ids = ByteWriter()
    var values = ByteWriter()
    var scales = ByteWriter()
    for chunk in rows.chunks {
      for id in chunk.ids { ids.write(id) }
      for value in chunk.floats { values.write(value) }
      if !chunk.codes.isEmpty { values.write(chunk.codes.map { UInt8(bitPattern: $0) }) }
      for scale in chunk.scales { scales.write(scale) }
    }
    do throws(SectionFileError) {
      try SectionFile.write(
        path,
        magic: Self.magic,
        version: Self.version,
        sections: [
          .init("header", header.bytes), .init("ids", ids.bytes), .init("rows", values.bytes),
          .init("scales", scales.bytes),
        ],
        maximumSize: options.maximumSnapshotSizeInBytes
      )
    } catch {
      throw VectorIndexError(error)
    }
  }

  /// Opens an index that was written by ``save(to:)``.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - profile: The embedder in use now; the file must be of the same one.
  ///   - maximumSnapshotSizeInBytes: The limit for later snapshots.
  /// - Returns: The index, with the row format that it was saved with.
  /// - Throws: ``VectorIndexError`` with codes ``VectorIndexError/Code/modelMismatch`` (index again with the present
  ///   embedder), ``VectorIndexError/Code/futureFormat``, ``VectorIndexError/Code/corrupt`` (the message names the
  ///   section) or ``VectorIndexError/Code/inputOutput``.
  public static func open(
    _ path: String,
    profile: EmbedderProfile,
    maximumSnapshotSizeInBytes: Int? = nil
  ) throws(VectorIndexError) -> ExactVectorIndex {
    let sections: [String: [UInt8]]
    let stored: (profile: EmbedderProfile, format: String, count: Int, epoch: UInt64)
    do throws(SectionFileError) {
      sections = try SectionFile.read(path, magic: magic, supportedVersion: version).sections
      stored = try readHeader(sections["header"] ?? [], path: path)
    } catch {
      throw VectorIndexError(error)
    }
    guard stored.profile.id == profile.id, stored.profile.revision == profile.revision,
      stored.profile.dimension == profile.dimension
    else {
      throw VectorIndexError(
        .modelMismatch,
        "\(path) holds vectors of \(stored.profile), the embedder in use is \(profile); index the documents "
          + "again with it, or open the index with its own embedder",
        indexModel: stored.profile,
        currentModel: profile
      )
    }
    guard (1...maximumDimension).contains(profile.dimension) else {
      throw VectorIndexError(.invalidOption, "the dimension must be in 1...\(maximumDimension)")
    }
    do throws(SectionFileError) {
      let state = try readRows(
        sections,
        dimension: profile.dimension,
        stored.format,
        stored.count,
        path: path
      )
      let options = Options(
        rowFormat: stored.format == Options.RowFormat.int8.description ? .int8 : .float32,
        maximumSnapshotSizeInBytes: maximumSnapshotSizeInBytes
      )
      let index = ExactVectorIndex(profile: profile, options: options, state: state)
      index.state.withLock { $0.epoch = stored.epoch }
      return index
    } catch {
      throw VectorIndexError(error)
    }
  }

  // MARK: - Private

  private static func readHeader(
    _ bytes: [UInt8],
    path: String
  ) throws(SectionFileError) -> (profile: EmbedderProfile, format: String, count: Int, epoch: UInt64) {
    var reader = ByteReader(bytes, name: "section header of \(path)")
    let id = try reader.readText()
    let revision = try reader.readText()
    let dimension = Int(try reader.read(UInt32.self))
    let maxTokens = Int(clamping: try reader.read(UInt64.self))
    let format = try reader.readText()
    let count = Int(clamping: try reader.read(UInt64.self))
    let epoch = try reader.read(UInt64.self)
    guard epoch < .max / 2 else { throw reader.malformed("an epoch of \(epoch)") }
    let known = [Options.RowFormat.float32, .int8].map(\.description)
    guard reader.isAtEnd, known.contains(format) else {
      throw reader.malformed("unknown row format \(format)")
    }
    let profile = EmbedderProfile(id: id, revision: revision, dimension: dimension, maxTokens: maxTokens)
    return (profile, format, count, epoch)
  }

  private static func readRows(
    _ sections: [String: [UInt8]],
    dimension: Int,
    _ format: String,
    _ count: Int,
    path: String
  ) throws(SectionFileError) -> State {
    let isQuantised = format == Options.RowFormat.int8.description
    var ids = ByteReader(sections["ids"] ?? [], name: "section ids of \(path)")
    var values = ByteReader(sections["rows"] ?? [], name: "section rows of \(path)")
    var scales = ByteReader(sections["scales"] ?? [], name: "section scales of \(path)")
    // Divisions, not products: a hostile count can't overflow them.
    let rowWidth = dimension * (isQuantised ? 1 : 4)
    guard ids.remaining % 8 == 0, ids.remaining / 8 == count else { throw ids.malformed("wrong length") }
    guard values.remaining % rowWidth == 0, values.remaining / rowWidth == count else {
      throw values.malformed("wrong length")
    }
    guard scales.remaining == (isQuantised ? count * 4 : 0) else { throw scales.malformed("wrong length") }
    var state = State(rows: ExactRows(dimension: dimension, isQuantised: isQuantised))
    state.position.reserveCapacity(count)
    for row in 0..<count {
      let id = try ids.read(UInt64.self)
      guard state.position.updateValue(row, forKey: id) == nil else { throw ids.malformed("id \(id) twice") }
      if isQuantised {
        let codes = try values.readBytes(dimension).map { Int8(bitPattern: $0) }
        let scale = try scales.readFloat()
        guard scale.isFinite else { throw scales.malformed("a scale is not finite") }
        state.rows.append(id: id, codes: codes[...], scale: scale)
      } else {
        var vector: [Float] = []
        vector.reserveCapacity(dimension)
        for _ in 0..<dimension {
          let value = try values.readFloat()
          guard value.isFinite else { throw values.malformed("a value is not finite") }
          vector.append(value)
        }
        state.rows.append(id: id, floats: vector[...])
      }
    }
    return state
  }
}

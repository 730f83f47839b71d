// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldVectors

extension InvertedIndex {
  private static let segmentMagic = "TFSEGMNT"
  private static let manifestMagic = "TFINVIDX"
  private static let version: UInt32 = 1

  /// Writes the index to a directory; a crash at any moment leaves either the state saved before or the new one.
  ///
  /// Another index that is in the directory is given up first.
  ///
  /// Segments that are there already are not written again. The manifest that names them is replaced last, as a
  /// whole. Blocks the calling thread for the disk; changes and searches go on meanwhile.
  ///
  /// - Parameters:
  ///   - directory: The directory; it is created when missing, its parent is not.
  ///   - watermark: A number of the owner's that ``open(_:options:)`` hands back: how much is in the index.
  /// - Throws: ``RetrievalError`` with codes ``RetrievalError/Code/storageFull``,
  ///   ``RetrievalError/Code/inputOutput`` or ``RetrievalError/Code/readOnly``; then the directory holds the old state.
  public func save(to directory: String, watermark: UInt64 = 0) throws(RetrievalError) {
    try checkWritable()
    do throws(SectionFileError) {
      try saved.withLock { saved throws(SectionFileError) in
        // Segments never change, so what is written is the state of this moment, whatever is added meanwhile.
        let (snapshot, nextSegment) = writer.withLock { writer in
          (published.withLock { $0 }, writer.nextSegment)
        }
        try IndexDirectory.create(directory)
        if saved.directory != directory {
          // Another index may be there, whose segments have the same names.
          try Self.removeManifest(of: directory)
          saved.directory = directory
          saved.segments = []
        }
        for entry in snapshot.entries where !saved.segments.contains(entry.segment.number) {
          try SectionFile.write(
            Self.path(of: entry.segment.number, in: directory),
            magic: Self.segmentMagic,
            version: Self.version,
            sections: entry.segment.sections,
            maximumSize: options.maximumFileSizeInBytes
          )
          saved.segments.insert(entry.segment.number)
        }
        try SectionFile.write(
          directory + "/manifest",
          magic: Self.manifestMagic,
          version: Self.version,
          sections: [.init("index", manifest(of: snapshot, nextSegment, watermark))],
          maximumSize: options.maximumFileSizeInBytes
        )
        let current = Set(snapshot.entries.map(\.segment.number))
        saved.segments.formIntersection(current)
        Self.removeUnreferenced(in: directory, keeping: current)
      }
    } catch {
      throw RetrievalError(error)
    }
  }

  /// Gives up the index in a directory, so that nobody opens it any more; its segments go with the next save there.
  ///
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/inputOutput``.
  static func giveUp(_ directory: String) throws(RetrievalError) {
    do throws(SectionFileError) { try removeManifest(of: directory) } catch { throw RetrievalError(error) }
  }

  private static func removeManifest(of directory: String) throws(SectionFileError) {
    // Without it an index is no more.
    IndexDirectory.remove(directory + "/manifest")
    try SectionFile.syncDirectory(directory)
  }

  /// Opens an index that was written by ``save(to:watermark:)``.
  ///
  /// A segment whose file is damaged or missing is left out: the rest can be searched, but not changed, and
  /// ``damage`` says what is missing.
  ///
  /// - Parameters:
  ///   - directory: The directory.
  ///   - options: How to analyse; the analyzer must be the one that the index was built with.
  /// - Returns: The index and the watermark that it was saved with; `nil` if there is no index in the directory.
  /// - Throws: ``RetrievalError`` with codes ``RetrievalError/Code/futureFormat``, ``RetrievalError/Code/corrupt``
  ///   (the manifest), ``RetrievalError/Code/invalidOption`` (another analyzer) or
  ///   ``RetrievalError/Code/inputOutput``.
  public static func open(
    _ directory: String,
    options: Options = Options()
  ) throws(RetrievalError) -> (index: InvertedIndex, watermark: UInt64)? {
    let path = directory + "/manifest"
    let manifest: StoredManifest
    do throws(SectionFileError) {
      let sections = try SectionFile.read(path, magic: manifestMagic, supportedVersion: version).sections
      manifest = try StoredManifest(sections["index"] ?? [], path: path)
    } catch {
      if error.kind == .missing { return nil }
      throw RetrievalError(error)
    }
    guard manifest.analyzer == options.analyzer.identifier else {
      throw RetrievalError(
        .invalidOption,
        "\(directory) was built with the analyzer \(manifest.analyzer), in use is "
          + "\(options.analyzer.identifier); build the index again or use that analyzer"
      )
    }
    do throws(SectionFileError) {
      return try load(manifest, from: directory, options: options)
    } catch {
      throw RetrievalError(error)
    }
  }

  // MARK: - Private

  private static func path(of segment: UInt64, in directory: String) -> String {
    "\(directory)/segment-\(segment)"
  }

  private static func load(
    _ manifest: StoredManifest,
    from directory: String,
    options: Options
  ) throws(SectionFileError) -> (index: InvertedIndex, watermark: UInt64) {
    var damage: [String] = []
    var snapshot = Snapshot()
    var writer = Writer()
    var saved = Saved(directory: directory)
    for stored in manifest.segments {
      do throws(SectionFileError) {
        let path = path(of: stored.number, in: directory)
        let file = try SectionFile.read(path, magic: segmentMagic, supportedVersion: version)
        let segment = try InvertedSegment(number: stored.number, sections: file.sections, path: path)
        let tail = segment.documents.count % 64
        guard stored.deleted.count == (segment.documents.count + 63) / 64,
          tail == 0 || (stored.deleted.last ?? 0) >> UInt64(tail) == 0
        else {
          throw SectionFileError(.corrupt, "\(path) is not the segment that the manifest names")
        }
        let entry = Entry(segment, deleted: DocumentBitmap(words: stored.deleted))
        for (place, number) in segment.documents.enumerated() where !entry.deleted.contains(place) {
          writer.positions[number] = Position(segment: segment.number, place: place)
          snapshot.count += 1
          snapshot.totalLength += Int(segment.lengths[place])
        }
        snapshot.entries.append(entry)
        saved.segments.insert(segment.number)
      } catch {
        if error.kind == .futureFormat { throw error }
        damage.append(error.message)
      }
    }
    snapshot.epoch = manifest.epoch
    writer.nextSegment = manifest.nextSegment
    if damage.isEmpty {
      removeUnreferenced(in: directory, keeping: Set(manifest.segments.map(\.number)))
    }
    let index = InvertedIndex(
      options: options,
      damage: damage,
      writer: writer,
      saved: saved,
      snapshot: snapshot
    )
    return (index, manifest.watermark)
  }

  private func manifest(of snapshot: Snapshot, _ nextSegment: UInt64, _ watermark: UInt64) -> [UInt8] {
    var bytes = ByteWriter()
    bytes.write(options.analyzer.identifier)
    bytes.write(watermark)
    bytes.write(snapshot.epoch)
    bytes.write(nextSegment)
    bytes.writeVarint(UInt64(snapshot.entries.count))
    for entry in snapshot.entries {
      bytes.write(entry.segment.number)
      bytes.writeVarint(UInt64(entry.deleted.words.count))
      for word in entry.deleted.words { bytes.write(word) }
    }
    return bytes.bytes
  }

  /// Leftovers of a crash or of a merge; failing to remove one costs only room.
  private static func removeUnreferenced(in directory: String, keeping numbers: Set<UInt64>) {
    for name in IndexDirectory.entries(directory) where name.hasPrefix("segment-") {
      if let number = UInt64(name.dropFirst("segment-".count)), numbers.contains(number) { continue }
      IndexDirectory.remove(directory + "/" + name)
    }
  }
}

/// A manifest as read from disk.
private struct StoredManifest {
  var analyzer: String
  var watermark: UInt64
  var epoch: UInt64
  var nextSegment: UInt64
  var segments: [(number: UInt64, deleted: [UInt64])] = []

  init(_ bytes: [UInt8], path: String) throws(SectionFileError) {
    var reader = ByteReader(bytes, name: "section index of \(path)")
    analyzer = try reader.readText()
    watermark = try reader.read(UInt64.self)
    epoch = try reader.read(UInt64.self)
    nextSegment = try reader.read(UInt64.self)
    for _ in 0..<(try reader.readCount(each: 9)) {
      let number = try reader.read(UInt64.self)
      guard number < nextSegment else { throw reader.malformed("segment \(number) is from the future") }
      var words: [UInt64] = []
      for _ in 0..<(try reader.readCount(each: 8)) { words.append(try reader.read(UInt64.self)) }
      segments.append((number, words))
    }
    guard reader.isAtEnd else { throw reader.malformed("bytes are left over") }
  }
}

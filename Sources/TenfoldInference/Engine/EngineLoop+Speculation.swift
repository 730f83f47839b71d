// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension EngineLoop {
  /// Guesses what the sequences that wait for one token go on with: what an answer's format calls for, what is found
  /// earlier in the sequence, and else what a draft model says.
  func propose() {
    guard !drafters.isEmpty else { return }
    modelDrafter?.dropGuesses()
    let decoding = scheduler.decoding
    let most = decoding.count + scheduler.limits.draftRows
    var rows = decoding.count
    var open: [ModelDrafter.Request] = []
    for (id, position) in decoding {
      guard let limits = sequences[id]?.draftLimits(contextLength: contextLength) else { continue }
      let room = min(limits.room, contextLength - position - 1)
      let start = sequences[id]?.isInFormat == true ? Self.threadTime() : nil
      defer {
        if let start { sequences[id]?.charge(cpuTime: chargeFormat(id, since: start), memoryBytes: 0) }
      }
      let draft = guess(id, certain: limits.certain, besides: rows, room: min(room, most - rows))
      if let plausible = sequences[id]?.plausible(draft), !plausible.isEmpty {
        scheduler.propose(plausible, for: id)
        rows += plausible.count
      } else if modelDrafter != nil, limits.certain == nil, let request = request(id, room: room) {
        open.append(request)
      }
    }
    guard !open.isEmpty else { return }
    propose(for: open, besides: rows, sequences: decoding.count, room: most - rows)
  }

  /// Guesses without a draft model.
  private func guess(_ id: Int, certain: [Int32]?, besides rows: Int, room: Int) -> [Int32] {
    if let certain { return drafters[id]?.certain(certain, room: room) ?? [] }
    if let required = sequences[id]?.requiredTokens(), !required.isEmpty {
      return drafters[id]?.spell(required, besides: rows, room: room) ?? []
    }
    return drafters[id]?.draft(tokens[id] ?? [], besides: rows, room: room) ?? []
  }

  /// What the draft model is asked for a sequence; `nil` for one that is not guessed for.
  private func request(_ id: Int, room: Int) -> ModelDrafter.Request? {
    guard drafters[id] != nil, let sequence = sequences[id], let tokens = tokens[id] else { return nil }
    let request = sequence.request
    var scope: BlockAllocator.Scope? = .init(tenant: request.context.tenant)
    if scheduler.limits.keptPages == 0 || !request.context.cachePolicy.allowsPrefixReuse {
      // Answers to one request share their prompt's pages in any case.
      if request.options.alternatives > 1 { scope?.group = request.id } else { scope = nil }
    }
    return ModelDrafter.Request(
      id: id,
      tokens: tokens,
      room: room,
      generated: sequence.generated,
      left: max(1, room + 1),
      scope: scope,
      isSampled: request.options.temperature > 0
    )
  }

  /// Lets the draft model guess.
  private func propose(for open: [ModelDrafter.Request], besides rows: Int, sequences count: Int, room: Int) {
    guard let modelDrafter else { return }
    let (before, passes) = (Self.threadTime(), modelDrafter.passes)
    let requests = open.map { sequences[$0.id]?.request.id ?? $0.id }
    let around = ModelDrafter.Surroundings(
      rows: rows,
      sequences: count,
      room: room,
      isPlausible: { [self] id, guesses in sequences[id]?.plausible(guesses).count == guesses.count },
      isAbandoned: { [mailbox] in mailbox.abandons(requests) }
    )
    do throws(ModelError) {
      for (id, guesses) in try modelDrafter.propose(for: open, around) { scheduler.propose(guesses, for: id) }
    } catch {
      // The model needs no guesses: without memory for them it goes on alone.
      self.modelDrafter = nil
    }
    let made = modelDrafter.passes - passes
    guard made > 0 else { return }
    statistics.draftPasses += made
    charge(
      modelDrafter.rows.map { ($0.key, $0.value) },
      since: before,
      streaming: modelDrafter.model.streamedByteCount * made
    )
  }

  /// Forgets what was guessed for a sequence.
  func stopDrafting(_ sequence: EngineSequence, _ id: Int) {
    drafters[id] = nil
    modelDrafter?.remove(id, generated: sequence.generated)
  }

  /// Goes on with a sequence whose last token's logits are there, and with its guesses as long as they come true.
  func advance(_ work: EngineScheduler.Work, logits first: Int) {
    let isModels = modelDrafter?.hasGuesses(for: work.id) ?? false
    // Booked before each token, which may be the last.
    book(work.id, drafted: work.draft.count, accepted: 0, isModels: isModels)
    var hits = 0
    var next = advance(work.id, logits: first)
    while hits < work.draft.count, let token = next, token == work.draft[hits] {
      hits += 1
      book(work.id, drafted: 0, accepted: 1, isModels: isModels)
      scheduler.acceptDraft(of: work.id)
      next = advance(work.id, logits: first + hits)
    }
    guard !work.draft.isEmpty else { return }
    let isMissed = hits < work.draft.count && next != nil
    if isModels {
      modelDrafter?.didCheck(work.id, checked: work.draft.count, hits: hits, isMissed: isMissed)
    } else {
      drafters[work.id]?.note(hits: hits, isMissed: isMissed)
    }
  }

  /// Counts guesses, and those that came true.
  private func book(_ id: Int, drafted: Int, accepted: Int, isModels: Bool) {
    statistics.draftedTokens += drafted
    statistics.acceptedTokens += accepted
    if isModels {
      statistics.modelDraftedTokens += drafted
      statistics.modelAcceptedTokens += accepted
    }
    sequences[id]?.noteDraft(drafted: drafted, accepted: accepted)
  }
}

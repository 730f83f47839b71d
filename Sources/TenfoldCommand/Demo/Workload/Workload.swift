// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// The requests that both systems answer.
///
/// Hard ones are SciFact claims: does the evidence support them? Easy ones look something up: they quote the beginning of
/// a sentence, and ask which of two words of the same passage it goes on with.
/// A share of the requests are repeats and paraphrases of earlier ones, the popular ones more often (Zipf, s = 0.8).
struct Workload: Sendable {
  struct Options: Sendable, Codable {
    var count = 240
    var repeatShare = 0.35
    var paraphraseShare = 0.20
    var easyShare = 0.40
    var seed: UInt64 = 7
  }

  let options: Options
  let requests: [WorkloadRequest]

  init(options: Options, dataset: SciFactDataset) {
    self.options = options
    var generator = SeededGenerator(seed: options.seed)
    let repeats = Int((Double(options.count) * options.repeatShare).rounded())
    let paraphrases = Int((Double(options.count) * options.paraphraseShare).rounded())
    let newCount = max(1, options.count - repeats - paraphrases)
    let easyCount = Int((Double(newCount) * options.easyShare).rounded())

    var bases = Self.claims(newCount - easyCount, dataset: dataset, using: &generator)
    bases += Self.lookups(newCount - bases.count, dataset: dataset, using: &generator)
    bases.shuffle(using: &generator)
    for index in bases.indices { bases[index].base = index }

    var order =
      [WorkloadRequest.Wording](repeating: .new, count: max(0, bases.count - 1))
      + [WorkloadRequest.Wording](repeating: .repeated, count: min(repeats, options.count - bases.count))
    order += [WorkloadRequest.Wording](
      repeating: .paraphrased,
      count: max(0, options.count - order.count - 1)
    )
    order.shuffle(using: &generator)

    // The first request is new; a repeat or paraphrase goes back to one that has been asked.
    var requests = [bases[0]]
    var asked = 1
    let paraphraser = Paraphraser()
    for wording in order {
      if wording == .new {
        requests.append(bases[asked])
        asked += 1
        continue
      }
      var request = bases[Self.zipf(asked, using: &generator)]
      request.wording = wording
      if wording == .paraphrased {
        let text = request.question
        request.question =
          request.kind == .claim
          ? paraphraser.paraphrase(text, using: &generator) : paraphraser.frame(text, using: &generator)
        request.instruction = request.instruction.replacing(text, with: request.question, maxReplacements: 1)
      }
      requests.append(request)
    }
    self.requests = requests
  }

  private static func claims(
    _ count: Int,
    dataset: SciFactDataset,
    using generator: inout SeededGenerator
  ) -> [WorkloadRequest] {
    // Labelled claims first: those tell how good the answers are.
    let claims = dataset.claims.filter { !$0.relevant.isEmpty }
    let labelled = claims.filter { !$0.labels.isEmpty }.shuffled(using: &generator)
    let others = claims.filter(\.labels.isEmpty).shuffled(using: &generator)
    return (labelled + others).prefix(max(0, count)).map { claim in
      WorkloadRequest(
        kind: .claim,
        wording: .new,
        base: 0,
        question: claim.text,
        instruction: DemoPrompt.claimInstruction(claim.text),
        choices: DemoPrompt.claimChoices,
        claimID: claim.id,
        expected: claim.verdict.map { DemoPrompt.claimChoices[$0 == .support ? 0 : 1] }
      )
    }
  }

  private static func lookups(
    _ count: Int,
    dataset: SciFactDataset,
    using generator: inout SeededGenerator
  ) -> [WorkloadRequest] {
    var requests: [WorkloadRequest] = []
    for document in dataset.documents.shuffled(using: &generator) where requests.count < count {
      guard let cloze = Cloze(document, using: &generator) else { continue }
      let words = Bool.random(using: &generator) ? [cloze.right, cloze.wrong] : [cloze.wrong, cloze.right]
      let choices = DemoPrompt.lookupChoices(opening: cloze.opening, candidates: words)
      requests.append(
        WorkloadRequest(
          kind: .lookup,
          wording: .new,
          base: 0,
          question: cloze.opening,
          instruction: DemoPrompt.lookupInstruction(cloze.opening),
          choices: choices,
          documentID: document.id,
          expected: choices[words[0] == cloze.right ? 0 : 1]
        )
      )
    }
    return requests
  }

  /// An index in 0..<count, small ones more often: P(i) is proportional to (i + 1)^-0.8.
  private static func zipf(_ count: Int, using generator: inout SeededGenerator) -> Int {
    // Inverse of the continuous distribution function; exact enough to make some requests popular.
    let u = Double.random(in: 0..<1, using: &generator)
    let exponent = 0.2
    let top = power(Double(count) + 1, exponent)
    return min(count - 1, Int(power(u * (top - 1) + 1, 1 / exponent) - 1))
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// The requests that both systems answer.
///
/// Hard ones are SciFact claims: does the evidence support them? Easy ones quote how a passage begins and ask which of
/// two words is its subject.
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
        request.question = paraphraser.paraphrase(text, using: &generator)
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
    let documents = dataset.documents.shuffled(using: &generator)
    var requests: [WorkloadRequest] = []
    var position = 0
    while requests.count < count, position + 1 < documents.count {
      let (document, other) = (documents[position], documents[position + 1])
      position += 2
      // The subject: a word of the title that the text says again; the other title's word is in neither.
      let said = document.text.prefix(1200).lowercased()
      let words = Self.longWords(document.title.lowercased()).filter { said.contains($0) }
      let whole = document.searchableText.lowercased()
      let foreign = Self.longWords(other.title.lowercased()).filter { !whole.contains($0) }
      let opening = document.text.split(separator: " ").prefix(14).joined(separator: " ")
      guard let right = words.randomElement(using: &generator),
        let wrong = foreign.randomElement(using: &generator)
      else { continue }
      let choices = Bool.random(using: &generator) ? [right, wrong] : [wrong, right]
      requests.append(
        WorkloadRequest(
          kind: .lookup,
          wording: .new,
          base: 0,
          question: opening,
          instruction: DemoPrompt.lookupInstruction(opening: opening, choices: choices),
          choices: choices,
          claimID: nil,
          expected: right
        )
      )
    }
    return requests
  }

  /// Lower-case words of eight to twelve letters, each once, in order.
  private static func longWords(_ text: String) -> [String] {
    var seen: Set<Substring> = []
    return text.split { !$0.isLetter }
      .filter { (8...12).contains($0.count) && $0.utf8.count == $0.count && seen.insert($0).inserted }
      .map(String.init)
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

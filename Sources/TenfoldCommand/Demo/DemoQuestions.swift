// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// A few questions whose answers are streamed, with where each came from.
struct DemoQuestions: Sendable {
  let pipeline: Pipeline
  let titles: [DocumentID: String]

  private static let questions = [
    "Does vitamin D deficiency raise the risk of multiple sclerosis?",
    "What do microRNAs do in heart disease?",
    "Does vitamin D deficiency raise the risk of multiple sclerosis?",
    "Is it true that vitamin D deficiency raises the risk of multiple sclerosis?",
  ]

  /// Asks and prints.
  func run() async throws {
    for question in Self.questions {
      ConsoleText.say("\n> \(question)")
      let request = InferenceRequest(
        prompt: .chat([.user(question)]),
        options: try GenerationOptions(maxTokens: 60, stop: ["\n"]),
        context: RequestContext(tenant: "demo")
      )
      let begin = ContinuousClock.now
      var first: Duration?
      for try await event in try await pipeline.generate(request) {
        switch event {
        case .text(let text):
          if first == nil { first = begin.duration(to: .now) }
          ConsoleText.output(text)
        case .finished(let summary):
          ConsoleText.say("")
          ConsoleText.say(describe(summary, first: first, elapsed: begin.duration(to: .now)))
        }
      }
    }
  }

  private func describe(_ summary: GenerationSummary, first: Duration?, elapsed: Duration) -> String {
    let provenance = summary.provenance
    let source =
      switch provenance.answeredBy {
      case .model(let id, let tier): "\(tier.name) model (\(id))"
      case .exactCache: "exact cache"
      case .semanticCache(_, let similarity, _): "semantic cache (similarity \(Double(similarity).fixed(3)))"
      case .coalesced(let id): "coalesced with \(id)"
      }
    var lines = [
      "  answered by \(source) in \(elapsed.inMilliseconds.fixed(1)) ms"
        + ", first text after \((first ?? elapsed).inMilliseconds.fixed(1)) ms, cost \(provenance.cost)"
    ]
    if let best = provenance.documents.first {
      lines.append("  from \(provenance.documents.count) abstracts, first: \(titles[best] ?? "\(best)")")
    }
    let notes = provenance.stages.filter {
      !$0.note.isEmpty && !$0.stage.contains(".") && $0.stage != "cacheFill"
    }
    if !notes.isEmpty {
      lines.append(
        "  stages: "
          + notes.map { stage in
            "\(stage.stage) \((stage.wait + stage.work).inMilliseconds.fixed(1)) ms (\(stage.note))"
          }.joined(separator: "; ")
      )
    }
    return lines.joined(separator: "\n")
  }
}

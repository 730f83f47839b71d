// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// Composes a pipeline by hand, with a layer of its own in it, and asks it the same question twice.
@main
struct CustomMiddleware {
  static func main() async throws {
    let files = try await ModelStore().ensure("SmolLM2-135M-Instruct")
    let model = try await LocalLanguageModel.load(
      gguf: files.path(of: "SmolLM2-135M-Instruct.Q4_1.gguf"),
      options: .init(price: PriceList().localModel)
    )
    let costs = CostBook()
    let stages = StageCollector()
    let cache = ResponseCache(store: InMemoryCacheStore(), model: model.profile) { 0 }
    // Outermost first. Redaction stands outside the cache, so that no address is ever stored.
    let pipeline = Pipeline(
      model: model,
      middlewares: [
        ObservationMiddleware(costBook: costs, stages: stages),
        RedactionMiddleware(),
        CoalescingMiddleware(),
        ExactCacheMiddleware(cache: cache),
      ]
    )
    // `run` stores answers behind the readers' backs; in a server it belongs into the service group.
    try await withThrowingTaskGroup { group in
      group.addTask { try await cache.run() }
      let options = try GenerationOptions(maxTokens: 40)
      for user in ["ann@example.org", "bob@example.com"] {
        let question = "Write one friendly sentence to \(user) to say that the parcel has arrived."
        print("> \(question)")
        let stream = try await pipeline.generate(InferenceRequest(question, tenant: "acme", options: options))
        for try await event in stream {
          switch event {
          case .text(let piece): print(piece, terminator: "")
          case .finished(let summary): print("\n\(describe(summary))\n")
          }
        }
        await cache.flush()
      }
      group.cancelAll()
    }
    print("Spent \(costs.total) in all.")
    print(BottleneckReport(stages: stages.snapshot, machine: .measure()).summary)
    await model.shutdown()
  }

  /// Who answered, and each stage with its time and note.
  static func describe(_ summary: GenerationSummary) -> String {
    let source =
      switch summary.provenance.answeredBy {
      case .model(let id, let tier): "answered by the \(tier) model \(id)"
      case .exactCache: "answered from the exact cache"
      case .semanticCache(_, let similarity, _): "answered from the semantic cache (\(similarity))"
      case .coalesced: "joined an equal request"
      }
    let stages = summary.provenance.stages.map { "  \($0.stage): \($0.work) \($0.note)" }
    return ([source] + stages).joined(separator: "\n")
  }
}

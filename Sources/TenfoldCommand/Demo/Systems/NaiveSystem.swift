// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What many systems begin as: embed, scan everything, ask the large model, write the answer down; one at a time, and no
/// cache, not even of prompts' beginnings.
struct NaiveSystem: LanguageModel {
  let model: any LanguageModel
  let retriever: any Retriever
  let log: SQLiteDatabase
  private let gate = SerialGate()

  /// The log's only table.
  static let schema = SQLiteSchema(
    "demo.naive",
    [.init(1, "CREATE TABLE answer(id INTEGER PRIMARY KEY, question TEXT NOT NULL, answer TEXT NOT NULL);")]
  )

  init(model: any LanguageModel, retriever: any Retriever, log: SQLiteDatabase) {
    self.model = model
    self.retriever = retriever
    self.log = log
  }

  var profile: ModelProfile { model.profile }

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    await gate.enter()
    do {
      let completion = try await answer(request)
      await gate.leave()
      return GenerationStream(completion)
    } catch {
      await gate.leave()
      throw error
    }
  }

  private func answer(_ request: InferenceRequest) async throws -> Completion {
    try Task.checkCancellation()
    let trace = request.context.trace
    var request = request
    request.context.cachePolicy = .bypass
    request.passages = try await trace.measure("retrieval") { _ in
      try await retriever.retrieve(
        RetrievalQuery(request.question, limit: DemoPrompt.retrievalLimit, trace: trace)
      ).passages
    }
    request.prompt = DemoPrompt.template.render(request, request.passages)
    var completion = try await model.respond(to: request)
    let (question, text) = (request.question, completion.text)
    try await trace.measure("log") { line in
      try await log.write { transaction in
        try transaction.execute("INSERT INTO answer(question, answer) VALUES(?, ?)", question, text)
      }
      line.note = "one commit, on disk"
    }
    completion.summary.provenance.stages = trace.stages
    completion.summary.provenance.modelCalls = trace.modelCalls
    return completion
  }
}

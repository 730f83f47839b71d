// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tenfold
import TenfoldTesting
import Testing

/// Notes its name on the way in.
private struct NotingMiddleware: InferenceMiddleware {
  let name: String
  let notes: Notes

  final class Notes: Sendable {
    let names = Mutex<[String]>([])
  }

  func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    notes.names.withLock { $0.append(name) }
    return try await next(request)
  }
}

@Suite("Pipeline")
struct PipelineTests {
  @Test("layers see a request outermost first, and the model answers it")
  func order() async throws {
    let notes = NotingMiddleware.Notes()
    let model = ScriptedLanguageModel { .text("echo \($0.question)") }
    let pipeline = Pipeline(
      model: model,
      middlewares: ["a", "b", "c"].map { NotingMiddleware(name: $0, notes: notes) }
    )
    let answer = try await pipeline.respond(to: InferenceRequest("hello", tenant: "t"))
    #expect(answer.text == "echo hello")
    #expect(notes.names.withLock { $0 } == ["a", "b", "c"])
  }

  @Test(
    "each switchable layer has its place, and is left out when disabled",
    arguments: PipelineTechnique.allCases
  )
  func layers(disabled: PipelineTechnique) async throws {
    let notes = NotingMiddleware.Notes()
    func layer(_ name: String) -> NotingMiddleware { NotingMiddleware(name: name, notes: notes) }
    var layers = PipelineLayers()
    layers.observation = layer("observation")
    layers.admission = layer("admission")
    layers.coalescing = layer("coalescing")
    layers.exactCache = layer("exact-cache")
    layers.semanticCache = layer("semantic-cache")
    layers.retrieval = layer("retrieval")
    layers.custom = [layer("custom")]
    let model = ScriptedLanguageModel { _ in .text("yes") }
    _ = try await layers.pipeline(model: model, without: [disabled])
      .respond(to: InferenceRequest("hello", tenant: "t"))
    let expected = ["observation"] + PipelineTechnique.allCases.map(\.rawValue) + ["custom"]
    #expect(notes.names.withLock { $0 } == expected.filter { $0 != disabled.rawValue })
  }

  @Test("a request without text is refused with a typed error")
  func empty() async {
    let pipeline = Pipeline(model: ScriptedLanguageModel { _ in .text("never") })
    await #expect { try await pipeline.generate(InferenceRequest("", tenant: "t")) } throws: {
      ($0 as? RequestError)?.code == .emptyRequest
    }
  }

  @Test("a request whose deadline has passed is refused before any layer works")
  func late() async {
    let time = ManualTime()
    let model = ScriptedLanguageModel { _ in .text("never") }
    var request = InferenceRequest("hello", tenant: "t")
    request.context.trace = RequestTrace(time: time.source)
    request.context.deadline = time.now.advanced(by: .seconds(1))
    time.advance(by: .seconds(2))
    await #expect { try await Pipeline(model: model).generate(request) } throws: {
      ($0 as? RequestError)?.code == .deadlineExceeded
    }
    #expect(model.requests.isEmpty)
  }
}

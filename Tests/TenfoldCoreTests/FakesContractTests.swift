// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldTesting
import Testing

@Suite("The fakes keep the contracts of their roles")
struct FakesContractTests {
  @Test("the scripted model")
  func model() async {
    let violations = await LanguageModelContract.violations(
      isBusy: { ($0 as? ScriptedLanguageModel)?.openStreams ?? 0 }
    ) {
      ScriptedLanguageModel { request in
        .text(request.options.choices.first ?? "You asked: \(request.question)")
      }
    }
    #expect(violations == [])
  }

  @Test("the hashing embedder")
  func embedder() async {
    #expect(await TextEmbedderContract.violations { HashingTextEmbedder() } == [])
  }

  @Test("a model that breaks the contract is found out")
  func broken() async {
    struct Silent: LanguageModel {
      let profile = ModelProfile(id: "silent", contextLength: 1)
      func generate(_ request: InferenceRequest) async throws -> GenerationStream {
        GenerationStream { continuation in continuation.yield(.text("no summary")) }
      }
    }
    #expect(await !LanguageModelContract.violations { Silent() }.isEmpty)
  }

  @Test("a middleware that mixes tenants is found out")
  func leaking() async {
    #expect(
      await InferenceMiddlewareContract.violations { Leaking() }.contains {
        $0.clause.contains("another caused")
      }
    )
  }

  /// A cache whose key is the question alone.
  private actor Leaking: InferenceMiddleware {
    private var answers: [String: Completion] = [:]

    func intercept(
      _ request: InferenceRequest,
      next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
    ) async throws -> GenerationStream {
      if let answer = answers[request.question] { return GenerationStream(answer) }
      let answer = try await next(request).collect()
      answers[request.question] = answer
      return GenerationStream(answer)
    }
  }
}

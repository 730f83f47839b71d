// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldCore

/// What every `InferenceMiddleware` keeps to.
///
/// ```swift
/// let violations = await InferenceMiddlewareContract.violations { ExactCacheMiddleware(cache: makeCache()) }
/// ```
public enum InferenceMiddlewareContract {
  /// Runs the suite.
  ///
  /// - Parameter middleware: Makes a fresh middleware.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of middleware: @Sendable () async throws -> any InferenceMiddleware
  ) async -> [ContractViolation] {
    var report = ContractReport()
    let secret = ScriptedLanguageModel { .text("answer for \($0.context.tenant)") }
    await report.scenario("an answer passes through") { report in
      let middleware = try await middleware()
      let completion = try await ask(middleware, "What is it?", "a", secret)
      report.check(
        completion.text == "answer for a",
        "an answer passes through whole",
        observed: completion.text
      )
    }
    await report.scenario("tenants don't see each other's answers") { report in
      let middleware = try await middleware()
      _ = try await ask(middleware, "What is the secret?", "a", secret)
      _ = try await ask(middleware, "What is the secret?", "a", secret)
      let other = try await ask(middleware, "What is the secret?", "b", secret)
      report.check(
        other.text == "answer for b",
        "a tenant never gets an answer that another caused",
        observed: other.text
      )
    }
    await report.scenario("the inner model's error comes through") { report in
      let failing = ScriptedLanguageModel { _ in .failure(RequestError(.modelFailed, "broken")) }
      let middleware = try await middleware()
      do {
        _ = try await ask(middleware, "Will it fail?", "a", failing)
        report.check(false, "an error of the model inside comes through", observed: "an answer")
      } catch {
        report.check(
          (error as? RequestError)?.code == .modelFailed,
          "an error keeps its code on the way out",
          observed: "\(error)"
        )
      }
      let completion = try await ask(middleware, "Will it fail?", "a", secret)
      report.check(completion.text == "answer for a", "an error is not kept", observed: completion.text)
    }
    await report.scenario("an error after the first words comes through") { report in
      let breaking = ScriptedLanguageModel { _ in
        .failureAfter("half an", RequestError(.modelFailed, "broken"))
      }
      let middleware = try await middleware()
      let result = try? await ask(middleware, "Will it break?", "a", breaking)
      report.check(
        result == nil,
        "half an answer is not passed off as a whole one",
        observed: result?.text ?? ""
      )
      let completion = try await ask(middleware, "Will it break?", "a", secret)
      report.check(completion.text == "answer for a", "half an answer is not kept", observed: completion.text)
    }
    await report.scenario("leaving the stream stops the model inside") { report in
      let hanging = ScriptedLanguageModel { _ in .hang }
      let middleware = try await middleware()
      await withTaskGroup(of: Void.self) { group in
        group.addTask { _ = try? await ask(middleware, "Still there?", "a", hanging) }
        await LanguageModelContract.settle { hanging.openStreams > 0 }
        group.cancelAll()
      }
      await LanguageModelContract.settle { hanging.openStreams == 0 }
      report.check(
        hanging.openStreams == 0,
        "leaving the stream stops the model inside",
        observed: "still open"
      )
      let completion = try await ask(middleware, "Still there?", "a", secret)
      report.check(
        completion.text == "answer for a",
        "a middleware works on after a reader has left",
        observed: completion.text
      )
    }
    await report.scenario("requests at once are all answered") { report in
      let middleware = try await middleware()
      let wrong = try await withThrowingTaskGroup(of: Bool.self) { group in
        for index in 0..<16 {
          group.addTask {
            let tenant = TenantID("t\(index % 4)")
            return try await ask(middleware, "Question \(index / 4)?", tenant, secret).text
              != "answer for \(tenant)"
          }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      report.check(wrong == 0, "requests at once each get their own answer", observed: "\(wrong) wrong ones")
    }
    return report.violations
  }

  private static func ask(
    _ middleware: any InferenceMiddleware,
    _ question: String,
    _ tenant: TenantID,
    _ model: ScriptedLanguageModel
  ) async throws -> Completion {
    try await middleware.intercept(LanguageModelContract.request(question, tenant: tenant)) {
      try await model.generate($0)
    }.collect()
  }
}

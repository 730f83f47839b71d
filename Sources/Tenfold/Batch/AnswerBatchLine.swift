// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Metrics
import TenfoldCore
import TenfoldJobs
import TenfoldStorage

/// The job that answers one line of a batch.
struct AnswerBatchLine: DurableJob {
  static let name: JobName = "batch-line.v1"
  var batch: Int64
  var line: Int
}

extension BatchInference {
  /// Answers a line; its result and the end of its job are one commit, so neither is ever there without the other.
  func answer(_ job: AnswerBatchLine, _ context: JobContext) async throws {
    let work = try await database.read { tx in try BatchTables.work(job.batch, job.line, in: tx) }
    // Cancelled, removed, or given up meanwhile: nothing is left to do.
    guard let work else { return }
    let result = try await result(of: job, work, context)
    let isFirst = try await database.write { tx in
      let isFirst = try BatchTables.record(
        result,
        for: job.line,
        of: job.batch,
        id: work.batchID,
        customID: work.customID,
        in: tx
      )
      try context.finish(in: tx)
      return isFirst
    }
    // Cancelled while it was answered: the line has another result.
    guard isFirst else { return }
    Counter(
      label: "tenfold.batch.results",
      dimensions: [("outcome", result.isFailure ? "error" : "answer")]
    ).increment()
  }

  private func result(
    of job: AnswerBatchLine,
    _ work: BatchTables.Work,
    _ context: JobContext
  ) async throws -> BatchResult {
    do {
      let line = BatchFile.Line(number: job.line, bytes: work.request)
      let request = try BatchRequest(
        line,
        limit: options.maximumLineInBytes,
        defaultMaxTokens: options.defaultMaxTokens
      )
      let question = InferenceRequest(
        prompt: request.prompt,
        options: request.options,
        context: RequestContext(
          tenant: work.tenant,
          priority: .background,
          id: RequestID("\(work.batchID)-\(job.line)"),
          cachePolicy: options.cachePolicy
        )
      )
      let completion =
        if let traffic = options.yieldsTo {
          try await traffic.whileQuiet { [model] in try await model.respond(to: question) }
        } else {
          try await model.respond(to: question)
        }
      return .answer(
        completion,
        isChat: request.isChat,
        model: model.profile.id,
        created: options.clock.wall() / 1_000_000_000
      )
    } catch {
      // A stopped stream may end in any error: what counts is that this run was told to stop.
      if Task.isCancelled { throw CancellationError() }
      if let error = error as? BatchError { return BatchLineVerdict.failure(error) }
      let verdict = BatchLineVerdict.outcome(
        of: error,
        isLastAttempt: context.attempt >= options.maximumAttempts,
        pause: options.refusalPause
      )
      switch verdict {
      case .result(let result): return result
      case .again(let error): throw error
      }
    }
  }
}

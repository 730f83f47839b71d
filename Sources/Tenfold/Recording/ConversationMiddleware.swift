// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import Logging
import Metrics
import Synchronization
public import TenfoldCore
public import TenfoldStorage

/// Puts what was said before in front of a question, and keeps the question and its answer for the next one.
///
/// It takes part in requests whose context names a conversation and whose prompt is a chat; others pass as they are. The
/// turns go between the prompt's system turns and the rest. Once the answer is whole, the prompt's other turns and the
/// answer are added to the memory; an answer that failed or whose reader left adds nothing.
///
/// Place it outside the caches and the coalescing: a question means something else after other turns, and they tell
/// requests apart by the whole prompt. `PipelineLayers.conversation` is that place.
///
/// **Durability.** The stream's summary waits for the memory's commit, so a reader that has seen it finds its turns in the
/// next request, on any machine that reads the same memory. The text doesn't wait. A memory that can't be written, or not
/// before the request's deadline and ``Options/deadlineGrace``, costs the turns, not the answer: it is logged and counted
/// as `tenfold_turns_lost_total`. A write that was given up may still come to be.
///
/// ```swift
/// layers.conversation = ConversationMiddleware(memory: SQLiteConversationMemory(log: log))
/// var request = InferenceRequest("And in winter?", tenant: "acme")
/// request.context.conversation = "chat-7"
/// ```
public struct ConversationMiddleware: InferenceMiddleware {
  /// How much of a conversation a model is told; every field has a default.
  public struct Options: Sendable {
    /// The newest turns at most.
    public var maximumTurns: Int
    /// Their characters together at most; the oldest turns are left out first.
    public var maximumCharacters: Int
    /// How long after the request's deadline the memory may still take to keep the turns of an answer that ended with it.
    public var deadlineGrace: Duration
    /// Reads the wall clock, in nanoseconds since 1970.
    public var wallClock: @Sendable () -> Int64

    /// Creates options.
    ///
    /// - Parameters:
    ///   - maximumTurns: The newest turns at most.
    ///   - maximumCharacters: Their characters together at most.
    ///   - deadlineGrace: How long after the request's deadline the memory may still take to keep the turns.
    ///   - wallClock: Reads the wall clock, in nanoseconds since 1970.
    public init(
      maximumTurns: Int = 20,
      maximumCharacters: Int = 8_000,
      deadlineGrace: Duration = .milliseconds(250),
      wallClock: @escaping @Sendable () -> Int64 = { WallClock.nanoseconds() }
    ) {
      self.maximumTurns = maximumTurns
      self.maximumCharacters = maximumCharacters
      self.deadlineGrace = max(.zero, deadlineGrace)
      self.wallClock = wallClock
    }
  }

  static let stage = "conversation"

  /// Where the turns are.
  public let memory: any ConversationMemory
  /// How much of a conversation a model is told.
  public let options: Options

  /// Creates a middleware.
  ///
  /// - Parameters:
  ///   - memory: Where the turns are.
  ///   - options: How much of a conversation a model is told.
  public init(memory: any ConversationMemory, options: Options = Options()) {
    self.memory = memory
    self.options = options
  }

  /// Adds the turns to the prompt, and the exchange to the memory when the answer is whole.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: The layers inside.
  /// - Returns: The answer.
  /// - Throws: Whatever `next` throws; what the memory throws when the turns can't be read, as an answer without them
  ///   would be to another question; `RequestError` with code `deadlineExceeded` when the deadline passes before they
  ///   are.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    let context = request.context
    guard let conversation = context.conversation, case .chat(let messages) = request.prompt else {
      return try await next(request)
    }
    let told = try await context.trace.measure(Self.stage) { line in
      let turns = try await context.beforeDeadline("the reading of the conversation") { [memory, options] in
        try await memory.turns(
          of: conversation,
          for: context.tenant,
          last: options.maximumTurns,
          .newest
        )
      }
      let told = fitting(turns.map(\.message))
      line.note = "\(told.count) turns"
      return told
    }
    let instructions = messages.prefix { $0.role == .system }
    let said = messages.dropFirst(instructions.count)
    var longer = request
    longer.prompt = .chat(Array(instructions + told + said))
    let answer = SpokenText()
    return try await next(longer)
      .mapEvents { event in
        if case .text(let piece) = event { answer.append(piece) }
        return event
      }
      .beforeSummary { _ in
        await keep(said + [.assistant(answer.text)], conversation, context)
      }
  }

  /// The newest turns that have room, beginning with one that isn't an answer.
  private func fitting(_ turns: [ChatMessage]) -> ArraySlice<ChatMessage> {
    var left = options.maximumCharacters
    var start = turns.endIndex
    for index in turns.indices.reversed() {
      left -= turns[index].content.count
      guard left >= 0 else { break }
      start = index
    }
    return turns[start...].drop { $0.role == .assistant }
  }

  private func keep(
    _ messages: ArraySlice<ChatMessage>,
    _ conversation: ConversationID,
    _ context: RequestContext
  ) async {
    let time = options.wallClock()
    let turns = messages.map { ConversationTurn($0, time: time) }
    var context = context
    // A model that ends its answer at the deadline leaves no time before it.
    context.deadline = context.deadline?.advanced(by: options.deadlineGrace)
    let tenant = context.tenant
    do {
      _ = try await context.beforeDeadline("the keeping of the conversation") { [memory] in
        try await memory.append(turns, to: conversation, of: tenant)
      }
    } catch is CancellationError {
      // The reader has left; a write that was begun goes on.
    } catch {
      Counter(label: "tenfold_turns_lost_total").increment(by: messages.count)
      Logger(label: "tenfold.recording").error(
        "turns of a conversation can't be kept",
        metadata: ["error": "\(error)", "conversation": "\(conversation)"]
      )
    }
  }
}

/// The text of an answer so far.
private final class SpokenText: Sendable {
  private let state = Mutex("")

  var text: String { state.withLock { $0 } }

  func append(_ piece: String) { state.withLock { $0 += piece } }
}

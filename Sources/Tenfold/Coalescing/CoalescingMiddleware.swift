// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Lets equal requests in flight share one computation.
///
/// The first of several equal requests leads; the others receive the same texts from the start. The work goes on while
/// anyone reads and stops when the last reader leaves. If the computation fails, the leader gets the error; a follower
/// that has received nothing yet tries again, as a leader if need be.
///
/// Requests are equal when tenant, prompt, question, passages, options, priority and cost ceiling are, and the answer is
/// determined: temperature 0 or a seed. A request joins only a computation that goes on as long as its own deadline, and
/// is given up at that. A request whose cache policy allows no exact hit never joins another.
public final class CoalescingMiddleware: InferenceMiddleware {
  static let stage = "coalescing"

  private let flights = CoalescedFlights()

  /// Creates the layer.
  public init() {}

  /// How many computations are shared or could be joined right now.
  public var flightCount: Int { flights.count }

  /// Joins the equal request in flight, or leads a new one.
  ///
  /// - Parameters:
  ///   - request: The request.
  ///   - next: The layers inside; called once for a leader and not at all for a follower.
  /// - Returns: The answer as it is made.
  /// - Throws: Nothing at once; errors of the layers inside come through the stream.
  public func intercept(
    _ request: InferenceRequest,
    next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
  ) async throws -> GenerationStream {
    guard let key = CoalescingKey(request) else { return try await next(request) }
    let flights = flights
    return GenerationStream { continuation in
      // A follower survives one failed leader; a second failure is taken for an answer.
      for attempt in 0... {
        let time = request.context.trace.time
        let arrival = time.now
        let (flight, isLeader) = flights.join(key, request.context) {
          GenerationStream { shared in
            for try await event in try await next(request) { shared.yield(event) }
          }
        }
        let joined = time.now
        var hasDelivered = false
        do {
          let events = isLeader ? flight.subscribe() : try await Self.follow(flight, request.context)
          for try await event in events {
            hasDelivered = true
            guard !isLeader, case .finished(let summary) = event else {
              continuation.yield(event)
              continue
            }
            let line = StageRecord(
              stage: Self.stage,
              wait: joined.duration(to: time.now),
              work: arrival.duration(to: joined),
              note: "joined \(flight.leader)"
            )
            request.context.trace.record(line)
            continuation.yield(.finished(Self.followed(summary, flight.leader, request)))
          }
          return
        } catch {
          try Task.checkCancellation()
          let isLate = request.context.deadline.map { $0 <= time.now } ?? false
          if isLeader || hasDelivered || isLate || attempt >= 1 { throw error }
        }
      }
    }
  }

  /// The events of another's computation, up to the follower's own deadline.
  private static func follow(
    _ flight: CoalescedFlight,
    _ context: RequestContext
  ) async throws -> GenerationStream {
    let limits = GenerationStream.TimeLimits(deadline: context.deadline, subject: "the shared answer")
    let events = flight.subscribe()
    return try await GenerationStream.opening(within: limits, time: context.trace.time) { events }
  }

  /// A follower's summary: the same answer, made by the leader, at no cost.
  private static func followed(
    _ summary: GenerationSummary,
    _ leader: RequestID,
    _ request: InferenceRequest
  ) -> GenerationSummary {
    var summary = summary
    summary.provenance.answeredBy = .coalesced(with: leader)
    summary.provenance.modelCalls = []
    summary.provenance.cost = .zero
    summary.usage = TokenUsage(timeToFirstToken: request.context.trace.elapsed)
    return summary
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

/// The computations in flight, by key.
final class CoalescedFlights: Sendable {
  private let flights = Mutex<[CoalescingKey: CoalescedFlight]>([:])

  var count: Int { flights.withLock { $0.count } }

  /// The flight for a key, and whether the caller leads it.
  ///
  /// A flight ends at its leader's deadline, so whoever has more time leads a flight of its own, which later callers find.
  ///
  /// - Parameters:
  ///   - key: What makes requests equal.
  ///   - context: The caller's id and deadline.
  ///   - start: Begins the shared computation, in case the caller leads.
  /// - Returns: The flight, with a reservation for the caller, and whether the caller leads it.
  func join(
    _ key: CoalescingKey,
    _ context: RequestContext,
    start: () -> GenerationStream
  ) -> (flight: CoalescedFlight, isLeader: Bool) {
    flights.withLock { flights in
      if let flight = flights[key], flight.lasts(until: context.deadline), flight.reserve() {
        return (flight, false)
      }
      let flight = CoalescedFlight(leader: context.id, deadline: context.deadline) { [weak self] flight in
        self?.remove(flight, key)
      }
      flights[key] = flight
      flight.start(start())
      return (flight, true)
    }
  }

  private func remove(_ flight: CoalescedFlight, _ key: CoalescingKey) {
    flights.withLock { flights in
      if flights[key] === flight { flights[key] = nil }
    }
  }
}

// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCore

extension GenerationStream {
  /// This stream, its answer handed to `keep` once it was delivered whole and is not too long.
  ///
  /// An answer that failed, was abandoned, came from a cache, was cut by a deadline, or is curtailed is not handed over.
  func capturing(
    for cache: ResponseCache,
    _ keep: @escaping @Sendable (Completion) -> Void
  ) -> GenerationStream {
    let limit = cache.options.maximumAnswerBytes
    let capture = Capture()
    return mapEvents { event in
      if case .text(let piece) = event { capture.append(piece, limit: limit) }
      return event
    }.onEnd { end in
      guard case .finished(let summary) = end, case .model = summary.provenance.answeredBy,
        !summary.provenance.isCurtailed, cache.keeps(summary.reason), let text = capture.text
      else { return }
      keep(Completion(text: text, summary: summary))
    }
  }
}

/// The text of an answer so far, or nothing once it got too long.
private final class Capture: Sendable {
  private let state = Mutex<String?>("")

  var text: String? { state.withLock { $0 } }

  func append(_ piece: String, limit: Int) {
    state.withLock { text in
      guard let size = text?.utf8.count else { return }
      if size + piece.utf8.count > limit { text = nil } else { text?.append(piece) }
    }
  }
}

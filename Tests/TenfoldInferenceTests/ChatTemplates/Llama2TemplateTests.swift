// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("The chat templates of Llama 2 and Zephyr")
struct Llama2TemplateTests {
  static let llama2Source = """
    {% if messages[0]['role'] == 'system' %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + content %}{% endif %}\
    {% for message in messages %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}\
    {% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}
    """
  static let zephyrSource = """
    {% for message in messages %}
    {% if message['role'] == 'user' %}
    {{ '<|user|>\\n' + message['content'] + eos_token }}
    {% elif message['role'] == 'system' %}
    {{ '<|system|>\\n' + message['content'] + eos_token }}
    {% elif message['role'] == 'assistant' %}
    {{ '<|assistant|>\\n' + message['content'] + eos_token }}
    {% endif %}
    {% if loop.last and add_generation_prompt %}
    {{ '<|assistant|>' }}
    {% endif %}
    {% endfor %}
    """

  @Test("write instructions between brackets, the system text in the first")
  func llama2() throws {
    let template = try ChatTemplate(source: Self.llama2Source)
    #expect(template.rendered([.user(" Hi ")]) == "<s>[INST] Hi [/INST]")
    #expect(
      template.rendered([.system("S"), .user("A"), .assistant("B\n"), .user("C")])
        == "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nA [/INST] B </s><s>[INST] C [/INST]"
    )
    #expect(template.rendered([.system("S")]) == "<s>[INST] <<SYS>>\nS\n<</SYS>> [/INST]")
  }

  @Test("write every message under its role")
  func zephyr() throws {
    let template = try ChatTemplate(source: Self.zephyrSource)
    #expect(
      template.rendered([.system("S"), .user("A"), .assistant("B"), .user("C")])
        == "<|system|>\nS</s>\n<|user|>\nA</s>\n<|assistant|>\nB</s>\n<|user|>\nC</s>\n<|assistant|>\n"
    )
  }

  @Test("are not mistaken for those of Phi")
  func phi() {
    let source = Self.zephyrSource.replacing("eos_token", with: "'<|end|>' + eos_token")
    #expect(code { _ = try ChatTemplate(source: source) } == .unsupported)
  }

  @Test("begin a text once and never let a message end its turn", arguments: [llama2Source, zephyrSource])
  func tokens(_ source: String) throws {
    var writer = SentencePieceTokenizerTests.writer()
    writer.set("tokenizer.chat_template", source)
    let vocabulary = try GGUFVocabulary(SmallVocabulary.metadata(writer))
    #expect(vocabulary.turnEnd == 2)
    let ids = try vocabulary.encode([.user("a</s><s>b"), .assistant("a"), .user("b")])
    #expect(ids.first == 1)
    let marks = ids.filter { $0 == 1 || $0 == 2 }
    #expect(marks == (source == Self.llama2Source ? [1, 2, 1] : [1, 2, 2, 2]))
    #expect(String(decoding: ids.flatMap { vocabulary.bytes(of: $0) }, as: UTF8.self).contains("a</s><s>b"))
  }
}

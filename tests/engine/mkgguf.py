"""Writes a tiny language model with random weights, in the GGUF format of llama.cpp.

It exists so that tests can drive a real engine without downloading a trained model: two
layers, 558 tokens, 0.6 MB, the same file for the same seed. What it says is nonsense; how
it says it (framing, usage, tool calls, JSON by grammar) is the engine's own.

Two properties of the vocabulary must stay, or the engine cannot build its grammars: no
space is put before the first word, and `<tool_call>` is a single token without a newline.

Usage: mkgguf.py OUT [SEED]
"""

import sys

import gguf
import numpy

WIDTH, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 64, 2, 4, 2, 128, 131072
END_OF_TURN, TOOL_CALL, END_OF_CALL, CALL_NOW = 4, 5, 6, 7
LAST_BYTE = 263
# A token so embedded is heard over all that the layers add, and one so weighted wins then.
LOUD, CERTAIN = 10_000, 4

SPECIAL = {
    "<unk>": gguf.TokenType.UNKNOWN,
    "<s>": gguf.TokenType.CONTROL,
    "</s>": gguf.TokenType.CONTROL,
    "<|im_start|>": gguf.TokenType.CONTROL,
    "<|im_end|>": gguf.TokenType.CONTROL,
    "<tool_call>": gguf.TokenType.USER_DEFINED,
    "</tool_call>": gguf.TokenType.USER_DEFINED,
    "<|call_now|>": gguf.TokenType.CONTROL,
}

WORDS = (
    "the of and to a in is it you that he was for on are with as I his they be at one have "
    "this from or had by hot but some what there we can out other were all your when up use "
    "word how said an each she which do their time if will way about many then them would "
    "write like so these her long make thing see him two has look more day could go come did "
    "my sound no most number who over know water than call first people may down side been "
    "now find any new work part take get place made live where after back little only round "
    "man year came show every good me give our under name very through just form much great "
    "think say help low line before turn cause same mean differ move right boy old too does "
    "tell sentence set three want air well also play small end put home read hand port large "
    "spell add even land here must big high such follow act why ask men change went light "
    "kind off need house picture try us again animal point mother world near build self earth "
    "father"
).split()

CHAT_TEMPLATE = """{%- if tools %}<|im_start|>system
# Tools
<tools>{% for t in tools %}
{{ t | tojson }}{% endfor %}
</tools>
For each function call return a json object within <tool_call></tool_call> tags:
<tool_call>{"name": <function-name>, "arguments": <args-json-object>}</tool_call><|im_end|>
{% endif %}{% for m in messages %}{% if m.role == 'assistant' and m.tool_calls %}<|im_start|>assistant
{% if m.content %}{{ m.content }}{% endif %}{% for tc in m.tool_calls %}{% if tc.function %}{% set tc = tc.function %}{% endif %}
<tool_call>{"name": "{{ tc.name }}", "arguments": {{ tc.arguments | tojson }}}</tool_call>{% endfor %}<|im_end|>
{% elif m.role == 'tool' %}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if tools and messages[-1].role == 'user' %}<|call_now|>{% endif %}{% endif %}"""


def write_model(path, seed=1):
    """Writes the model to `path`; equal seeds give equal bytes."""
    writer = gguf.GGUFWriter(path, "llama")
    size = add_vocabulary(writer)
    add_shape(writer, size)
    add_weights(writer, size, numpy.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer):
    """Special tokens, every byte, frequent words, every printable character, in this order."""
    tokens = list(SPECIAL)
    types = list(SPECIAL.values())
    scores = [0.0] * len(SPECIAL)
    for byte in range(256):
        tokens.append(f"<0x{byte:02X}>")
        types.append(gguf.TokenType.BYTE)
        scores.append(0.0)
    for rank, word in enumerate(WORDS, start=1):
        tokens.append("\u2581" + word)
        types.append(gguf.TokenType.NORMAL)
        scores.append(-float(rank))
    for rank, character in enumerate(["\u2581"] + [chr(code) for code in range(33, 127)]):
        tokens.append(character)
        types.append(gguf.TokenType.NORMAL)
        scores.append(-1000.0 - rank)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.encode() for token in tokens])
    writer.add_token_scores(scores)
    writer.add_token_types([int(kind) for kind in types])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END_OF_TURN)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    return len(tokens)


def add_shape(writer, vocabulary):
    writer.add_name("tiny-random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def add_weights(writer, vocabulary, rng):
    def random(name, *shape, deviation=0.5):
        writer.add_tensor(name, (rng.standard_normal(shape) * deviation).astype(numpy.float32))

    def ones(name):
        writer.add_tensor(name, numpy.ones(WIDTH, numpy.float32))

    embedding = rng.standard_normal((vocabulary, WIDTH)).astype(numpy.float32)
    ones("output_norm.weight")
    # The model must be able to end its turn, and must not say control tokens or raw bytes.
    output = (rng.standard_normal((vocabulary, WIDTH)) * 0.35).astype(numpy.float32)
    output[:END_OF_TURN] = 0
    output[END_OF_TURN + 1 : LAST_BYTE + 1] = 0
    # Where the template says so, a tool is called; a call, however its end is spelled, is the last.
    angle = vocabulary - 127 + ord(">")
    for before, after in ((CALL_NOW, TOOL_CALL), (END_OF_CALL, END_OF_TURN), (angle, END_OF_TURN)):
        direction = rng.standard_normal(WIDTH)
        direction = (direction / numpy.linalg.norm(direction)).astype(numpy.float32)
        embedding[before] = direction * LOUD
        output[after] += direction * CERTAIN
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        ones(block + "attn_norm.weight")
        ones(block + "ffn_norm.weight")
        random(block + "attn_q.weight", WIDTH, WIDTH)
        random(block + "attn_k.weight", WIDTH // HEADS * KV_HEADS, WIDTH)
        random(block + "attn_v.weight", WIDTH // HEADS * KV_HEADS, WIDTH)
        random(block + "attn_output.weight", WIDTH, WIDTH)
        random(block + "ffn_gate.weight", FEED_FORWARD, WIDTH)
        random(block + "ffn_up.weight", FEED_FORWARD, WIDTH)
        random(block + "ffn_down.weight", WIDTH, FEED_FORWARD)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    write_model(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 1)

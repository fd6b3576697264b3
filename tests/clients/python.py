"""OpenAI's client of PyPI, LiteLLM and lm-eval with their default settings, against the server at CRIA_URL (with /v1)."""
import asyncio
import json
import math
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
URL = os.environ["CRIA_URL"]
MODEL = "any-name"
MESSAGES = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Name a colour."}]
LONG = [{"role": "user", "content": "word " * 5000}]
passed = failed = 0


def run(client, what, part):
    global passed, failed
    try:
        part()
        passed += 1
        print(f"passed  {client}: {what}", flush=True)
    except Exception as error:  # each part is reported
        failed += 1
        print(f"FAILED  {client}: {what}: {type(error).__name__}: {str(error)[:500]}", flush=True)


def openai_parts():
    import openai

    client = openai.OpenAI(base_url=URL, api_key="none")

    def chat():
        answer = client.chat.completions.create(model=MODEL, messages=MESSAGES)
        assert answer.choices[0].message.content and answer.usage.total_tokens > 0

    def stream():
        chunks = list(client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True, max_tokens=12, stream_options={"include_usage": True}))
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) and chunks[-1].usage

    def stream_helper():
        with client.chat.completions.stream(model=MODEL, messages=MESSAGES) as events:
            for _ in events:
                pass
            assert events.get_final_completion().choices[0].message.content

    async def side_by_side():
        other = openai.AsyncOpenAI(base_url=URL, api_key="none")
        answers = await asyncio.gather(*[other.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8, temperature=0) for _ in range(4)])
        assert len({a.choices[0].message.content for a in answers}) == 1

    def parts():
        content = [{"type": "text", "text": "Name a colour."}]
        assert client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}], max_tokens=8).choices

    def history():
        messages = [*MESSAGES, {"role": "assistant", "content": "Red.", "refusal": None}, {"role": "user", "content": "Another."}]
        assert client.chat.completions.create(model=MODEL, messages=messages, max_tokens=8).choices

    def again():
        first = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=8)
        messages = [*MESSAGES, first.choices[0].message, {"role": "user", "content": "Another."}]
        assert client.chat.completions.create(model=MODEL, messages=messages, max_tokens=8).choices

    def logprobs():
        answer = client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=3, logprobs=True, top_logprobs=2)
        assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 2

    def completion():
        answer = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=8, echo=True, logprobs=1)
        assert answer.choices[0].text.startswith("Once upon a time") and answer.choices[0].logprobs.tokens

    def embeddings():
        answer = client.embeddings.create(model=MODEL, input=["A llama", "a song"])
        assert len(answer.data) == 2 and len(answer.data[0].embedding) > 0

    def models():
        listed = client.models.list().data
        assert listed and client.models.retrieve(listed[0].id).id == listed[0].id

    def beyond():
        try:
            client.chat.completions.create(model=MODEL, messages=LONG)
        except openai.BadRequestError as error:
            assert error.code == "context_length_exceeded", error.code
        else:
            raise AssertionError("no error")

    for name, part in [("chat", chat), ("a stream", stream), ("the helper of streams", stream_helper), ("requests side by side", lambda: asyncio.run(side_by_side())), ("parts", parts), ("a history", history), ("an answer given back", again), ("log-probabilities", logprobs), ("completion", completion), ("embeddings", embeddings), ("models", models), ("a prompt beyond the context", beyond)]:
        run("openai (PyPI)", name, part)


def litellm_parts():
    import litellm

    litellm.suppress_debug_info = True
    base = {"model": f"openai/{MODEL}", "api_base": URL, "api_key": "none"}

    def chat():
        assert litellm.completion(**base, messages=MESSAGES).choices[0].message.content

    def stream():
        assert "".join(c.choices[0].delta.content or "" for c in litellm.completion(**base, messages=MESSAGES, stream=True, max_tokens=12))

    def asynchronous():
        assert asyncio.run(litellm.acompletion(**base, messages=MESSAGES, max_tokens=8)).choices

    def text():
        answer = litellm.text_completion(model=f"text-completion-openai/{MODEL}", api_base=URL, api_key="none", prompt="Once upon a time", max_tokens=8)
        assert answer.choices[0].text

    def embedding():
        assert litellm.embedding(model=f"openai/{MODEL}", api_base=URL, api_key="none", input=["A llama"]).data

    def again():
        first = litellm.completion(**base, messages=MESSAGES, max_tokens=8)
        assert litellm.completion(**base, messages=[*MESSAGES, first.choices[0].message, {"role": "user", "content": "Another."}], max_tokens=8).choices

    def beyond():
        try:
            litellm.completion(**base, messages=LONG)
        except litellm.ContextWindowExceededError:
            return
        raise AssertionError("no ContextWindowExceededError")

    def others():
        for prefix in ["hosted_vllm", "lm_studio", "llamafile"]:
            assert litellm.completion(model=f"{prefix}/{MODEL}", api_base=URL, api_key="none", messages=MESSAGES, max_tokens=8).choices, prefix

    def fallback():
        router = litellm.Router(model_list=[{"model_name": "llama", "litellm_params": base}])
        assert router.completion(model="llama", messages=MESSAGES, max_tokens=8).choices

    for name, part in [("chat", chat), ("a stream", stream), ("asynchronous", asynchronous), ("text completion", text), ("embedding", embedding), ("an answer given back", again), ("a prompt beyond the context", beyond), ("its other providers of this API", others), ("the router", fallback)]:
        run("LiteLLM", name, part)


TASKS = {
    "choice": """
task: cria_choice
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choice.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}]
""",
    "generate": """
task: cria_generate
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choice.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "x"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
metric_list: [{metric: exact_match}]
""",
    "rolling": """
task: cria_rolling
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/choice.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}} Once upon a time there was a big dog."
metric_list: [{metric: word_perplexity}]
""",
}


def write_tokenizer(folder):
    """The vocabulary of the GGUF file at CRIA_MODEL, byte-level BPE, as a folder of Hugging Face's."""
    from gguf import GGUFReader
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fields = GGUFReader(os.environ["CRIA_MODEL"]).fields
    read = {key: fields[f"tokenizer.ggml.{key}"].contents() for key in ["tokens", "merges", "token_type", "bos_token_id", "eos_token_id"]}
    vocabulary = {token: id for id, token in enumerate(read["tokens"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(merge.split(" ")) for merge in read["merges"]]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token, kind in zip(read["tokens"], read["token_type"]) if kind == 3])
    bos, eos = (read["tokens"][read[f"{name}_token_id"]] for name in ["bos", "eos"])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos).save_pretrained(folder)


def lm_eval_parts(folder):
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    write_tokenizer(folder)

    rows = [
        {"question": "Once upon a", "choices": [" time", " xylophone"], "answer": 0},
        {"question": "There was a little", "choices": [" girl", " of"], "answer": 0},
    ]
    pathlib.Path(folder, "choice.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, text in TASKS.items():
        pathlib.Path(folder, f"{name}.yaml").write_text(text.replace("FOLDER", str(folder)))
    manager = TaskManager(include_path=str(folder), include_defaults=False)

    def task(name, **more):
        arguments = {"model": MODEL, "base_url": f"{URL}/completions", "tokenizer": str(folder), **more}
        results = simple_evaluate("local-completions", model_args=arguments, tasks=[f"cria_{name}"], task_manager=manager, bootstrap_iters=0)
        return results["results"][f"cria_{name}"]

    def choice():
        assert task("choice")["acc,none"] == 1.0

    def generate():
        assert "exact_match,none" in task("generate")

    def rolling():
        assert math.isfinite(task("rolling")["word_perplexity,none"])

    for name, part in [("local-completions, multiple choice", choice), ("local-completions, generate_until", generate), ("local-completions, loglikelihood_rolling", rolling)]:
        run("lm-eval", name, part)


openai_parts()
litellm_parts()
with tempfile.TemporaryDirectory() as folder:
    lm_eval_parts(pathlib.Path(folder))
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)

"""OpenAI's and Anthropic's clients of PyPI, instructor, LiteLLM and lm-eval with their default settings, against the server at CRIA_URL (with /v1)."""
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
        with client.chat.completions.stream(model=MODEL, messages=MESSAGES, temperature=0) as events:
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

    def responses():
        first = client.responses.create(model=MODEL, input="Name a colour.", instructions="You are terse.", max_output_tokens=8)
        assert first.output_text and first.usage.output_tokens > 0
        second = client.responses.create(model=MODEL, input="Another.", previous_response_id=first.id, max_output_tokens=8)
        again = [{"role": "user", "content": "Name a colour."}, *first.output, {"role": "user", "content": "Another."}]
        assert second.output_text and client.responses.create(model=MODEL, input=again, max_output_tokens=8).output_text
        roles = [item.role for item in client.responses.input_items.list(second.id, order="asc")]
        assert roles == ["user", "assistant", "user"], roles
        assert client.responses.retrieve(second.id).output_text == second.output_text
        client.responses.delete(second.id)

    def responses_stream():
        with client.responses.stream(model=MODEL, input="Name a colour.") as events:
            text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            assert text and events.get_final_response().output_text == text

    def responses_beyond():
        try:
            client.responses.create(model=MODEL, input="word " * 5000)
        except openai.BadRequestError as error:
            assert error.code == "context_length_exceeded" and error.param == "input", error
        else:
            raise AssertionError("no error")

    for name, part in [("responses", responses), ("a stream of responses", responses_stream), ("responses, a prompt beyond the context", responses_beyond), ("chat", chat), ("a stream", stream), ("the helper of streams", stream_helper), ("requests side by side", lambda: asyncio.run(side_by_side())), ("parts", parts), ("a history", history), ("an answer given back", again), ("log-probabilities", logprobs), ("completion", completion), ("embeddings", embeddings), ("models", models), ("a prompt beyond the context", beyond)]:
        run("openai (PyPI)", name, part)


def anthropic_parts():
    import anthropic

    client = anthropic.Anthropic(base_url=URL.removesuffix("/v1"), api_key="none")
    request = {"model": MODEL, "max_tokens": 12, "system": "You are terse.", "messages": [{"role": "user", "content": "Name a colour."}]}

    def message():
        answer = client.messages.create(**request)
        assert answer.content[0].text and answer.stop_reason in ["max_tokens", "end_turn"] and answer.usage.output_tokens > 0

    def stream():
        with client.messages.stream(**request) as events:
            text = "".join(events.text_stream)
            assert text and events.get_final_message().content[0].text == text

    def events():
        names = [event.type for event in client.messages.create(**request, stream=True)]
        assert names[0] == "message_start" and names[-1] == "message_stop", names

    def again():
        first = client.messages.create(**request)
        messages = [*request["messages"], {"role": "assistant", "content": first.content}, {"role": "user", "content": "Another."}]
        assert client.messages.create(**{**request, "messages": messages}).content

    def count():
        prompt = {key: request[key] for key in ["model", "system", "messages"]}
        assert client.messages.count_tokens(**prompt).input_tokens > 0

    def stop():
        answer = client.messages.create(**request, stop_sequences=["a", "e", "i", "o", "u"])
        assert answer.stop_reason == "stop_sequence" and answer.stop_sequence, answer

    def errors():
        try:
            client.messages.create(**{**request, "messages": LONG})
        except anthropic.BadRequestError as error:
            assert "prompt is too long" in str(error) and error.body["error"]["type"] == "invalid_request_error", error
        else:
            raise AssertionError("no error")

    for name, part in [("message", message), ("a stream", stream), ("events", events), ("an answer given back", again), ("tokens counted", count), ("stop sequences", stop), ("a prompt beyond the context", errors)]:
        run("anthropic (PyPI)", name, part)


WEATHER = {
    "type": "object",
    "properties": {"city": {"enum": ["Brest", "Paris"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather of a city.", "parameters": WEATHER}}]
QUESTION = [{"role": "user", "content": "What is the weather in Brest?"}]
CALLING = {"messages": QUESTION, "tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 300}


def check_weather(arguments):
    asked = json.loads(arguments)
    assert asked["city"] in ["Brest", "Paris"] and 1 <= asked["days"] <= 9 and len(asked) == 2, arguments


def forecast_model():
    import typing

    import pydantic

    class Forecast(pydantic.BaseModel):
        """The weather of a city."""

        city: typing.Literal["Brest", "Paris"]
        days: int = pydantic.Field(ge=1, le=9)

    return Forecast


def openai_tool_parts():
    import openai

    client = openai.OpenAI(base_url=URL, api_key="none")
    Forecast = forecast_model()

    def tools():
        message = client.chat.completions.create(model=MODEL, **CALLING).choices[0].message
        [call] = message.tool_calls
        check_weather(call.function.arguments)
        results = [*QUESTION, message, {"role": "tool", "tool_call_id": call.id, "content": "Clear."}]
        answer = client.chat.completions.create(model=MODEL, messages=results, tools=TOOLS, tool_choice="none", max_tokens=8)
        assert answer.choices[0].message.content is not None

    def streamed():
        with client.chat.completions.stream(model=MODEL, **CALLING) as events:
            kinds = {event.type for event in events}
            assert "tool_calls.function.arguments.done" in kinds, kinds
            [call] = events.get_final_completion().choices[0].message.tool_calls
            check_weather(call.function.arguments)

    def parse():
        answer = client.chat.completions.parse(model=MODEL, messages=QUESTION, response_format=Forecast, max_tokens=300)
        assert isinstance(answer.choices[0].message.parsed, Forecast)

    def parse_tools():
        tool = openai.pydantic_function_tool(Forecast)
        asked = {**CALLING, "tools": [tool]}
        message = client.chat.completions.parse(model=MODEL, **asked).choices[0].message
        [call] = message.tool_calls
        assert isinstance(call.function.parsed_arguments, Forecast)
        # What was parsed goes back with it.
        again = {**asked, "messages": [*QUESTION, message, {"role": "tool", "tool_call_id": call.id, "content": "Clear."}]}
        assert client.chat.completions.parse(model=MODEL, **again).choices[0].message.tool_calls

    for name, part in [("tools", tools), ("a streamed call", streamed), ("parse", parse), ("parse, with tools", parse_tools)]:
        run("openai (PyPI)", name, part)


def instructor_parts():
    import instructor
    import openai

    client = openai.OpenAI(base_url=URL, api_key="none")
    Forecast = forecast_model()

    def structured(mode):
        patched = instructor.from_openai(client, mode=mode)
        answer = patched.chat.completions.create(model=MODEL, messages=QUESTION, response_model=Forecast, max_retries=0, max_tokens=300)
        assert isinstance(answer, Forecast)

    def partial():
        patched = instructor.from_openai(client, mode=instructor.Mode.TOOLS)
        parts = list(patched.chat.completions.create_partial(model=MODEL, messages=QUESTION, response_model=Forecast, max_retries=0, max_tokens=300))
        Forecast.model_validate(parts[-1].model_dump())

    for name in ["TOOLS", "TOOLS_STRICT", "JSON_SCHEMA"]:
        run("instructor", name, lambda name=name: structured(instructor.Mode[name]))
    run("instructor", "a stream of parts", partial)
    # Its object is any that the model likes: what is asked for has not to be understood.
    run("instructor", "JSON", lambda: json_mode(instructor, client, Forecast))


def json_mode(instructor, client, model):
    patched = instructor.from_openai(client, mode=instructor.Mode.JSON)
    answers = []
    patched.on("completion:response", lambda answer: answers.append(answer))
    try:
        patched.chat.completions.create(model=MODEL, messages=QUESTION, response_model=model, max_retries=0, max_tokens=300)
    except Exception:  # the object is not a forecast
        assert answers, "no answer"
        [choice] = answers[-1].choices
        assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content), dict)


def litellm_tool_parts():
    import litellm

    base = {"model": f"openai/{MODEL}", "api_base": URL, "api_key": "none"}

    def tools():
        message = litellm.completion(**base, **CALLING).choices[0].message
        [call] = message.tool_calls
        check_weather(call.function.arguments)
        results = [*QUESTION, message, {"role": "tool", "tool_call_id": call.id, "name": "get_weather", "content": "Clear."}]
        assert litellm.completion(**base, messages=results, tools=TOOLS, tool_choice="none", max_tokens=8).choices

    def streamed():
        chunks = list(litellm.completion(**base, **CALLING, stream=True))
        message = litellm.stream_chunk_builder(chunks, messages=QUESTION).choices[0].message
        [call] = message.tool_calls
        check_weather(call.function.arguments)

    def structured():
        answer = litellm.completion(**base, messages=QUESTION, response_format=forecast_model(), max_tokens=300)
        check_weather(answer.choices[0].message.content)

    for name, part in [("tools", tools), ("a streamed call", streamed), ("structured output", structured)]:
        run("LiteLLM", name, part)


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

    def anthropic():
        base = {"model": f"anthropic/{MODEL}", "api_base": URL.removesuffix("/v1"), "api_key": "none", "messages": MESSAGES, "max_tokens": 8}
        assert litellm.completion(**base).choices[0].message.content
        assert "".join(c.choices[0].delta.content or "" for c in litellm.completion(**base, stream=True))

    def responses():
        assert litellm.responses(model=f"openai/{MODEL}", api_base=URL, api_key="none", input="Name a colour.", max_output_tokens=8).output

    def fallback():
        router = litellm.Router(model_list=[{"model_name": "llama", "litellm_params": base}])
        assert router.completion(model="llama", messages=MESSAGES, max_tokens=8).choices

    for name, part in [("chat", chat), ("a stream", stream), ("asynchronous", asynchronous), ("text completion", text), ("embedding", embedding), ("an answer given back", again), ("a prompt beyond the context", beyond), ("its other providers of this API", others), ("Anthropic's API", anthropic), ("responses", responses), ("the router", fallback)]:
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
anthropic_parts()
openai_tool_parts()
instructor_parts()
litellm_parts()
litellm_tool_parts()
with tempfile.TemporaryDirectory() as folder:
    lm_eval_parts(pathlib.Path(folder))
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)

import { KafkaFailure } from '../../../src/kafka/failure.ts'
import type { ListedTopic, NewTopic, TopicAdmin, TopicConfigs } from '../../../src/topics/ports.ts'

/** Topics of a modelled cluster, by name; what its controller would refuse can be set. */
export class ModelTopicAdmin implements TopicAdmin {
  readonly requests: string[] = []
  /** Called before each change: throws what the controller answers. */
  refuse: (request: string) => void = () => {}
  readonly #topics = new Map<
    string,
    { topicId: string; partitions: number; configs: Record<string, { value: string; explicit: boolean }> }
  >()
  #created = 0

  async listTopics(): Promise<readonly ListedTopic[]> {
    this.refuse('list')
    return [...this.#topics].map(([name, { topicId, partitions }]) => ({ name, topicId, partitions }))
  }

  async describeConfigs(topics: readonly string[]): Promise<ReadonlyMap<string, TopicConfigs>> {
    const found = new Map<string, TopicConfigs>()
    for (const name of topics) {
      const topic = this.#topics.get(name)
      if (topic !== undefined) found.set(name, { ...topic.configs })
    }
    return found
  }

  async createTopic(topic: NewTopic): Promise<void> {
    this.#change(`create ${topic.name} ${topic.partitions}`)
    if (this.#topics.has(topic.name)) throw new KafkaFailure('fatal', 'TOPIC_ALREADY_EXISTS', 'simulated')
    this.put(topic.name, topic.partitions, topic.configs)
  }

  async growPartitions(topic: string, partitions: number): Promise<void> {
    this.#change(`grow ${topic} ${partitions}`)
    this.#topics.get(topic)!.partitions = partitions
  }

  async setConfigs(topic: string, configs: Readonly<Record<string, string>>): Promise<void> {
    this.#change(`set ${topic} ${JSON.stringify(configs)}`)
    for (const [name, value] of Object.entries(configs))
      this.#topics.get(topic)!.configs[name] = { value, explicit: true }
  }

  /** Somebody else creates, or re-creates, a topic. */
  put(name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): void {
    const inForce: Record<string, { value: string; explicit: boolean }> = {
      'cleanup.policy': { value: 'delete', explicit: false },
      'retention.ms': { value: '604800000', explicit: false },
    }
    for (const [key, value] of Object.entries(configs)) inForce[key] = { value, explicit: true }
    this.#topics.set(name, { topicId: `id-${++this.#created}`, partitions, configs: inForce })
  }

  /** What is in force because the cluster says so, not the topic. */
  setDefault(topic: string, name: string, value: string): void {
    this.#topics.get(topic)!.configs[name] = { value, explicit: false }
  }

  delete(name: string): void {
    this.#topics.delete(name)
  }

  configOf(topic: string, name: string): string | undefined {
    return this.#topics.get(topic)?.configs[name]?.value
  }

  #change(request: string): void {
    this.requests.push(request)
    this.refuse(request)
  }
}

import type { LocalInfo } from '../../../deploy/local/types.ts'
import { adminClient } from '../../admin/client.ts'
import type { LinksAnswer } from '../admin-messages.ts'
import { type MergedLink, mergeLinks } from '../links-merge.ts'

/** The links of all data centers as their living nodes tell them. A node that does not answer is left out. */
export async function currentLinks(info: LocalInfo): Promise<MergedLink[]> {
  const living = Object.values(info.dcs).flatMap(({ gateways }) => gateways.filter(({ pid }) => pid !== null))
  const answers = await Promise.all(living.map(({ node, admin }) => linksOf(node, admin)))
  return mergeLinks(answers.filter(answer => answer !== undefined))
}

/** A client for each question: one that saw its node killed would wait before it dials again. */
async function linksOf(node: string, address: string) {
  const client = adminClient(address)
  try {
    const { links } = await client.call<LinksAnswer>('ListLinks')
    return { node, links }
  } catch {
    return undefined
  } finally {
    client.close()
  }
}
